import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { errorMessage, UsageError } from "@sdmprune/core";

/** A Python that has PyTorch. */
export interface PyTorch {
  /** Path or name of the interpreter. */
  readonly python: string;
  readonly pythonVersion: string;
  readonly torchVersion: string;
}

const VENV_PYTHON = ["../peers/.venv/bin/python", "../peers/.venv/Scripts/python.exe"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const PROBE =
  "import json, platform, torch; print(json.dumps([platform.python_version(), str(torch.__version__)]))";
/** Importing PyTorch takes seconds on a busy machine with a cold disk. */
const PROBE_TIMEOUT_MS = 120_000;

/**
 * The Python with PyTorch to measure beside: `python` if given, else that of `peers/.venv`, else the one on the PATH.
 *
 * @returns `undefined` if none was asked for and none has PyTorch.
 * @throws {UsageError} If `python` cannot import PyTorch.
 */
export async function findPyTorch(python?: string): Promise<PyTorch | undefined> {
  if (python !== undefined) {
    try {
      return await probe(python);
    } catch (cause) {
      const reason = errorMessage(cause).trim().split("\n").at(-1);
      throw new UsageError(`--python: expected a Python with PyTorch, got ${python} (${reason}).`, { cause });
    }
  }
  for (const candidate of [...VENV_PYTHON, "python3", "python"]) {
    const found = await probe(candidate).catch(() => undefined); // PyTorch is optional
    if (found) return found;
  }
  return undefined;
}

async function probe(python: string): Promise<PyTorch> {
  const { stdout } = await promisify(execFile)(python, ["-c", PROBE], { timeout: PROBE_TIMEOUT_MS });
  const [pythonVersion, torchVersion] = JSON.parse(stdout) as [string, string];
  return { python, pythonVersion, torchVersion };
}

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorMessage, UsageError } from "@sdmprune/core";

export interface WantedPython {
  /** What it must have, for messages. */
  readonly what: string;
  /** Folder whose `.venv` is looked into first. */
  readonly folder: string;
  /** Python code that prints a JSON list of versions, and fails where something is missing. */
  readonly probe: string;
}

export interface FoundPython {
  /** Path or name of the interpreter. */
  readonly python: string;
  readonly versions: readonly string[];
}

/** Importing PyTorch takes seconds on a busy machine with a cold disk. */
const PROBE_TIMEOUT_MS = 120_000;

/**
 * The Python to measure beside: `python` if given, else that of the folder's `.venv`, else the one on the PATH.
 *
 * @returns `undefined` if none was asked for and none has what is wanted.
 * @throws {UsageError} If `python` has not.
 */
export async function findPython(wanted: WantedPython, python?: string): Promise<FoundPython | undefined> {
  if (python !== undefined) {
    try {
      return await probe(python, wanted);
    } catch (cause) {
      const reason = errorMessage(cause).trim().split("\n").at(-1);
      throw new UsageError(`--python: expected a Python with ${wanted.what}, got ${python} (${reason}).`, {
        cause,
      });
    }
  }
  const inFolder = ["bin/python", "Scripts/python.exe"].map((path) => join(wanted.folder, ".venv", path));
  for (const candidate of [...inFolder, "python3", "python"]) {
    const found = await probe(candidate, wanted).catch(() => undefined); // it is optional
    if (found) return found;
  }
  return undefined;
}

async function probe(python: string, wanted: WantedPython): Promise<FoundPython> {
  const { stdout } = await promisify(execFile)(python, ["-c", wanted.probe], { timeout: PROBE_TIMEOUT_MS });
  return { python, versions: JSON.parse(stdout) as string[] };
}

import { fileURLToPath } from "node:url";
import { findPython } from "./find-python.js";

/** A Python that has PyTorch. */
export interface PyTorch {
  /** Path or name of the interpreter. */
  readonly python: string;
  readonly pythonVersion: string;
  readonly torchVersion: string;
}

/**
 * The Python with PyTorch to measure beside: `python` if given, else that of `peers/.venv`, else the one on the PATH.
 *
 * @returns `undefined` if none was asked for and none has PyTorch.
 * @throws {UsageError} If `python` cannot import PyTorch.
 */
export async function findPyTorch(python?: string): Promise<PyTorch | undefined> {
  const found = await findPython(
    {
      what: "PyTorch",
      folder: fileURLToPath(new URL("../peers", import.meta.url)),
      probe:
        "import json, platform, torch; print(json.dumps([platform.python_version(), str(torch.__version__)]))",
    },
    python,
  );
  if (!found) return undefined;
  const [pythonVersion = "", torchVersion = ""] = found.versions;
  return { python: found.python, pythonVersion, torchVersion };
}

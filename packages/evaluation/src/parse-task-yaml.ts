import { errorMessage, FormatError } from "@sdmprune/core";
import { parseDocument, type ScalarTag } from "yaml";

/** Marks a value that lm-eval would take from a Python file. */
export class PythonFunction {
  constructor(readonly name: string) {}
}

const functionTag: ScalarTag = {
  tag: "!function",
  resolve: (value) => new PythonFunction(value),
};

/** A parsed file, before its `include` is followed. */
export type YamlMapping = Readonly<Record<string, unknown>>;

/**
 * Parses a task file of lm-eval. `!function` values are kept as marks, so that they can be named in an error.
 *
 * @param where - The file's name, for messages.
 * @throws {FormatError} If the text is no YAML mapping.
 */
export function parseTaskYaml(text: string, where: string): YamlMapping {
  // PyYAML takes the last of equal keys, and lm-eval has files that count on it.
  const document = parseDocument(text, { customTags: [functionTag], merge: true, uniqueKeys: false });
  const [error] = document.errors;
  if (error) {
    throw new FormatError(
      `${where}: expected YAML, got text that is not (${errorMessage(error).split(":")[0]}).`,
      {
        cause: error,
      },
    );
  }
  const value: unknown = document.toJS();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(
      `${where}: expected a mapping of a task's settings, got ${value === null ? "nothing" : "another value"}.`,
    );
  }
  return value as YamlMapping;
}

/** The first Python function in a value, however deep. */
export function findFunction(value: unknown): PythonFunction | undefined {
  if (value instanceof PythonFunction) return value;
  if (typeof value !== "object" || value === null) return undefined;
  for (const each of Object.values(value)) {
    const found = findFunction(each);
    if (found) return found;
  }
  return undefined;
}

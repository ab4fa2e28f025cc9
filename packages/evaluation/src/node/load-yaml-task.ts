import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { errorMessage, FormatError, NotFoundError } from "@sdmprune/core";
import { defineTask } from "../define-task.js";
import type { TaskConfig } from "../task-config.js";
import type { Task } from "../task.js";
import { parseTaskYaml, type YamlMapping } from "../parse-task-yaml.js";
import { yamlTaskConfig } from "../yaml-task.js";

/**
 * Loads a declarative task file of lm-eval, following `include`. Files in `data_files` are relative to it.
 *
 * @throws {NotFoundError} If the file or an included one is missing.
 * @throws {FormatError} If it is malformed or needs Python; names the key.
 */
export async function loadYamlTask(path: string): Promise<Task> {
  const config = yamlTaskConfig(await mergedYaml(resolve(path), []), basename(path));
  return defineTask(withAbsoluteFile(config, dirname(path)));
}

async function mergedYaml(path: string, from: readonly string[]): Promise<YamlMapping> {
  const name = basename(path);
  if (from.includes(path)) {
    throw new FormatError(
      `${name}: include: expected files that end somewhere, got ${name} including itself.`,
    );
  }
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const includer = from.at(-1);
    const where = includer === undefined ? path : `${basename(includer)}: include: ${path}`;
    throw new NotFoundError(`${where}: expected a task file, got: ${errorMessage(cause)}. Check the path.`, {
      cause,
    });
  });
  const { include, ...own } = parseTaskYaml(text, name);
  let merged: YamlMapping = {};
  for (const each of include === undefined ? [] : [include].flat()) {
    if (typeof each !== "string") {
      throw new FormatError(`${name}: include: expected the name of a file, got ${JSON.stringify(each)}.`);
    }
    const included = isAbsolute(each) ? each : join(dirname(path), each);
    merged = { ...merged, ...(await mergedYaml(included, [...from, path])) };
  }
  return { ...merged, ...own };
}

function withAbsoluteFile(config: TaskConfig, folder: string): TaskConfig {
  const file = config.data?.file;
  return file === undefined ? config : { ...config, data: { ...config.data, file: resolve(folder, file) } };
}

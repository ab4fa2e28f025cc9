import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { ConfigError, errorMessage, NotFoundError, parseConfig, type Config } from "@sdmprune/core";
import { parse } from "yaml";
import { importDefault } from "./import-file.js";

const MODULES = [".ts", ".mts", ".js", ".mjs"];
const DOCUMENTS = [".yaml", ".yml"];

/**
 * Finds `sdmprune.config.ts` (or .mts, .js, .mjs, .yaml, .yml) in a folder.
 *
 * @returns Its path, or undefined if there is none.
 * @throws {ConfigError} If there are several.
 */
export function findConfigFile(folder: string): string | undefined {
  const found = [...MODULES, ...DOCUMENTS]
    .map((ending) => `sdmprune.config${ending}`)
    .filter((name) => existsSync(join(folder, name)));
  if (found.length > 1) {
    throw new ConfigError(
      `${folder}: expected one config file, got ${found.join(" and ")}. Name one with --config.`,
    );
  }
  return found[0] === undefined ? undefined : join(folder, found[0]);
}

/**
 * Reads a config file: a module with the config as default export, keys in camelCase, or YAML with keys in
 * snake_case.
 *
 * @param path - Relative to `cwd`.
 * @throws {NotFoundError} If there is no such file.
 * @throws {ConfigError} If it cannot be read or does not fit the schema; the message lists every problem.
 */
export async function loadConfigFile(
  path: string,
  { cwd = process.cwd() }: { cwd?: string } = {},
): Promise<Config> {
  const file = resolve(cwd, path);
  if (!existsSync(file)) throw new NotFoundError(`${path}: no such config file.`);
  const ending = extname(file);
  if (MODULES.includes(ending)) {
    return parseConfig(await importDefault(file, path, ConfigError), path, "camelCase");
  }
  if (DOCUMENTS.includes(ending)) return parseConfig(await readYaml(file, path), path, "snake_case");
  throw new ConfigError(
    `${path}: expected a config file ending in ${[...MODULES, ...DOCUMENTS].join(", ")}, got "${ending}".`,
  );
}

async function readYaml(file: string, where: string): Promise<unknown> {
  const text = await readFile(file, "utf8");
  try {
    return parse(text) ?? {};
  } catch (cause) {
    throw new ConfigError(`${where}: not valid YAML: ${errorMessage(cause)}`, { cause });
  }
}

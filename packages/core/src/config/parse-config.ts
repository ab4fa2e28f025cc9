import { ConfigError } from "../errors.js";
import { describeProblems, show, unknownKey } from "../options.js";
import { configSchema, type Config } from "./config-schema.js";

/** How a format spells the keys of the config: TypeScript and JavaScript in camelCase, YAML in snake_case. */
export type ConfigSpelling = "camelCase" | "snake_case";

const KEYS = Object.keys(configSchema.shape);

/**
 * Checks the content of a config file and returns it in TypeScript's spelling.
 *
 * @param raw - The file's content: an object, or nothing for an empty file.
 * @param where - The file's name, for the error.
 * @throws {ConfigError} Naming every problem at once, in the file's own spelling; unknown keys with a suggestion.
 */
export function parseConfig(raw: unknown, where: string, spelling: ConfigSpelling = "camelCase"): Config {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(`${where}: expected an object of options, got ${show(raw)}.`);
  }
  const spell = spelling === "snake_case" ? snakeCase : (key: string): string => key;
  const keyOf = new Map(KEYS.map((key) => [spell(key), key]));
  const config: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [written, value] of Object.entries(raw)) {
    const key = keyOf.get(written);
    if (key) config[key] = value;
    else problems.push(unknownKey(written, [...keyOf.keys()]));
  }
  const result = configSchema.safeParse(config, { reportInput: true });
  if (!result.success) problems.push(...describeProblems(result.error, KEYS, spell));
  if (config.pruningRatio !== undefined && config.width !== undefined) {
    problems.push(`"${spell("pruningRatio")}" and "width": give one of them, not both`);
  }
  if (!result.success || problems.length > 0) {
    throw new ConfigError(`${where}: ${problems.join("; ")}.`);
  }
  return result.data;
}

/** `roundTo` -> `round_to`. */
export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

import type { z } from "zod";
import { ConfigError } from "./errors.js";

/**
 * Checks `value` against `schema` and reports every problem at once, each with the key it is about.
 *
 * @param where - What the options belong to: a file name, or `importance "wanda"`.
 * @throws {ConfigError} If the value does not fit.
 */
export function parseOptions<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const path = issue.path.length > 0 ? `"${issue.path.join(".")}": ` : "";
    return path + issue.message;
  });
  throw new ConfigError(`${where}: ${problems.join("; ")}.`);
}

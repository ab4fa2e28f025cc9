import type { z } from "zod";
import { ConfigError } from "./errors.js";
import { suggestNames } from "./suggest.js";

/**
 * Checks `value` against `schema` and reports every problem at once, each with the key it is about.
 *
 * @param where - What the options belong to: a file name, or `importance "wanda"`.
 * @throws {ConfigError} If the value does not fit.
 */
export function parseOptions<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw new ConfigError(`${where}: ${describeProblems(result.error, keysOf(schema)).join("; ")}.`);
}

/**
 * One phrase per problem that a schema found: the key, what was expected, what it got.
 *
 * @param knownKeys - Keys to suggest for an unknown one.
 * @param spell - How a key is written where the value came from.
 */
export function describeProblems(
  error: z.ZodError,
  knownKeys: readonly string[],
  spell: (key: string) => string = (key) => key,
): string[] {
  const spelled = (key: PropertyKey): string => (typeof key === "string" ? spell(key) : String(key));
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      const known = issue.path.length === 0 ? knownKeys : [];
      return issue.keys.map((key) => unknownKey([...issue.path.map(spelled), spell(key)].join("."), known));
    }
    const path = issue.path.map(spelled).join(".");
    return [(path === "" ? "" : `"${path}": `) + describeIssue(issue)];
  });
}

/** The phrase for a key that a schema does not know. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = suggestNames(key, known);
  if (near.length > 0) return `unknown key "${key}" (did you mean ${orList(near)}?)`;
  return `unknown key "${key}"` + (known.length > 0 ? `, available: ${known.join(", ")}` : "");
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const got = `got ${show(issue.input)}`;
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected}, ${got}`;
    case "invalid_value": {
      const near = typeof issue.input === "string" ? suggestNames(issue.input, issue.values.map(String)) : [];
      return (
        `expected ${orList(issue.values)}, ${got}` +
        (near.length > 0 ? ` (did you mean ${orList(near)}?)` : "")
      );
    }
    case "too_small":
      return `expected ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}${unit(issue.origin)}, ${got}`;
    case "too_big":
      return `expected ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}${unit(issue.origin)}, ${got}`;
    default:
      return issue.input === undefined ? issue.message : `${issue.message}, ${got}`;
  }
}

function unit(origin: string): string {
  if (origin === "string") return " character(s)";
  return origin === "array" || origin === "set" ? " element(s)" : "";
}

function orList(values: readonly unknown[]): string {
  return values.map(show).join(" or ");
}

/** A value as a reader would write it, short enough for one line. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "nothing";
    case "string":
      return value.length > 60 ? `${JSON.stringify(value.slice(0, 57))}...` : JSON.stringify(value);
    case "object":
      if (Array.isArray(value)) return `a list of ${value.length}`;
      return value === null ? "null" : "an object";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    default:
      return `${value as number | bigint | boolean}`;
  }
}

function keysOf(schema: z.ZodType): string[] {
  return "shape" in schema ? Object.keys(schema.shape as object) : [];
}

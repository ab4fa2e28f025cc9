import { errorMessage, FormatError } from "@sdmprune/core";

/** A JSON value as `JSON.parse` gives it. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** A JSON object, keys in file order. */
export type JsonObject = { [key: string]: JsonValue };

/** Deeper documents are refused: no file of this field comes near, and recursion over them would overflow. */
const MAX_DEPTH = 200;

/**
 * Parses a JSON document that must be an object. Stricter than `JSON.parse`: a key that stands twice in one
 * object is an error (readers disagree on which one counts), and so is nesting deeper than 200.
 *
 * @param where - What the text is, for error messages: a file path.
 * @throws {FormatError} If the text is not such a document.
 */
export function parseJsonObject(text: string, where: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${where}: expected JSON, got a syntax error: ${errorMessage(cause)}.`, { cause });
  }
  if (!isJsonObject(value)) {
    throw new FormatError(`${where}: expected a JSON object, got ${describeJson(value)}.`);
  }
  scanObjects(text, where);
  return value;
}

/**
 * The UTF-8 text of a document.
 *
 * @throws {FormatError} If the bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${where}: expected UTF-8 text, got bytes that are not.`, { cause });
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A short name of a JSON value for error messages: `a list`, `"text"`, `12`. */
export function describeJson(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** A JSON value as text, cut to a length that fits an error message. */
export function previewJson(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * The end (exclusive) of the JSON string that starts at `start`, in text already known to be valid JSON.
 */
export function endOfJsonString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
}

/** Walks valid JSON once and refuses duplicate keys and too deep nesting, which `JSON.parse` lets pass. */
function scanObjects(text: string, where: string): void {
  const scopes: (Set<string> | undefined)[] = []; // keys of the open objects; undefined for a list
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "{":
      case "[":
        scopes.push(text[i] === "{" ? new Set() : undefined);
        if (scopes.length > MAX_DEPTH) {
          throw new FormatError(`${where}: expected at most ${MAX_DEPTH} levels of nesting, got more.`);
        }
        break;
      case "}":
      case "]":
        scopes.pop();
        break;
      case '"': {
        const end = endOfJsonString(text, i);
        const keys = scopes.at(-1);
        if (keys !== undefined && /^\s*:/.test(text.slice(end, end + 16))) {
          const key = JSON.parse(text.slice(i, end)) as string;
          if (keys.has(key)) {
            throw new FormatError(`${where}: expected every key once, got ${describeJson(key)} twice.`);
          }
          keys.add(key);
        }
        i = end - 1;
        break;
      }
      default:
    }
  }
}

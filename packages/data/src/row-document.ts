import { FormatError } from "@sdmprune/core";
import type { Document } from "./document.js";

const INPUT_IDS_KEY = "input_ids";

/** Names that data sets give their text, most usual first. */
const TEXT_KEYS: readonly string[] = [
  "text",
  "content",
  "story",
  "document",
  "article",
  "raw_content",
  "page_content",
];

/** Which field of a file's rows is used. */
export interface RowLayout {
  readonly kind: "text" | "input-ids";
  readonly key: string;
}

/**
 * Chooses the field by looking at one row: `textKey` if given, else `input_ids`, else the first usual name
 * of a text field, else the only field that holds a string.
 *
 * @param where - File and row, for messages.
 * @throws {FormatError} If no field, or more than one, could be meant.
 */
export function chooseRowLayout(row: Record<string, unknown>, where: string, textKey?: string): RowLayout {
  if (textKey !== undefined) {
    if (textKey in row) return { kind: "text", key: textKey };
    throw new FormatError(
      `${where}: expected a field "${textKey}", got ${listFields(row)}. Choose another textKey.`,
    );
  }
  if (INPUT_IDS_KEY in row) return { kind: "input-ids", key: INPUT_IDS_KEY };
  const strings = Object.keys(row).filter((key) => typeof row[key] === "string");
  const key =
    TEXT_KEYS.find((name) => strings.includes(name)) ?? (strings.length === 1 ? strings[0] : undefined);
  if (key !== undefined) return { kind: "text", key };
  throw new FormatError(
    `${where}: expected a field with the text (${TEXT_KEYS.join(", ")}) or "${INPUT_IDS_KEY}", got ${listFields(row)}. ` +
      `Name the field with textKey.`,
  );
}

/** Whether `row` is an object with fields, as every row but a bare string must be. */
export function isRecord(row: unknown): row is Record<string, unknown> {
  return typeof row === "object" && row !== null && !Array.isArray(row);
}

/**
 * Turns a row into a document. A null or empty text gives undefined: there is nothing to read.
 *
 * @param where - File and row, for messages.
 * @throws {FormatError} If the field is missing or of another kind.
 */
export function rowDocument(
  row: Record<string, unknown>,
  layout: RowLayout,
  id: string,
  where: string,
): Document | undefined {
  const value = row[layout.key];
  if (layout.kind === "input-ids") return { id, inputIds: toInputIds(value, where) };
  if (typeof value === "string") return value === "" ? undefined : { id, text: value };
  if (value === null) return undefined;
  if (value === undefined) {
    throw new FormatError(
      `${where}: expected a field "${layout.key}" as in the first row, got ${listFields(row)}. ` +
        `Correct or remove the row, or name the field with textKey.`,
    );
  }
  throw new FormatError(
    `${where}: expected "${layout.key}" to be a string, got ${describe(value)}. Correct or remove the row.`,
  );
}

/** @throws {FormatError} If `value` is not a list of at least two non-negative int32. */
function toInputIds(value: unknown, where: string): number[] {
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    throw new FormatError(
      `${where}: expected "${INPUT_IDS_KEY}" to be a list of token ids, got ${describe(value)}. Correct or remove the row.`,
    );
  }
  const ids = Array.from(value as ArrayLike<unknown>, (id) => (typeof id === "bigint" ? Number(id) : id));
  const wrong = ids.findIndex(
    (id) => !Number.isInteger(id) || (id as number) < 0 || (id as number) > 0x7fffffff,
  );
  if (wrong >= 0) {
    throw new FormatError(
      `${where}: expected "${INPUT_IDS_KEY}" to hold integers from 0, got ${describe(ids[wrong])} at position ${wrong}. ` +
        `Correct or remove the row.`,
    );
  }
  if (ids.length < 2) {
    throw new FormatError(
      `${where}: expected at least 2 token ids in "${INPUT_IDS_KEY}" (the first predicts the second), got ${ids.length}. ` +
        `Remove the row.`,
    );
  }
  return ids as number[];
}

function listFields(row: Record<string, unknown>): string {
  const keys = Object.keys(row);
  return keys.length === 0 ? "a row without fields" : `fields ${keys.map((key) => `"${key}"`).join(", ")}`;
}

/** A value in few words, for messages. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

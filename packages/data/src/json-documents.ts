import { errorMessage, FormatError } from "@sdmprune/core";
import { decodeText } from "./decode-text.js";
import type { Document } from "./document.js";
import { chooseRowLayout, describe, isRecord, rowDocument, type RowLayout } from "./row-document.js";
import { concatBytes, splitBytes } from "./split-bytes.js";

const NEWLINE = new Uint8Array([0x0a]);

/** Documents of a file with one JSON value per line; blank lines are passed over. A row is an object or a string. */
export async function* jsonlDocuments(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  textKey?: string,
): AsyncGenerator<Document> {
  const toDocument = rowReader(name, textKey);
  let row = 0;
  for await (const bytes of splitBytes(chunks, NEWLINE)) {
    row++;
    const where = `${name}: row ${row}`;
    const line = decodeText(bytes, where);
    if (line.trim() === "") continue;
    const document = toDocument(
      parseJson(line, `${where}: expected one JSON value per line`, "the line"),
      row,
    );
    if (document) yield document;
  }
}

/**
 * Documents of a `.json` file: a list of rows, `{"data": [rows]}`, or, as in C4's `.json.gz`, one row per line.
 *
 * @param open - Opens the file's bytes; called twice, because the first line tells which of them it is.
 */
export async function* jsonDocuments(
  open: () => AsyncIterable<Uint8Array>,
  name: string,
  textKey?: string,
): AsyncGenerator<Document> {
  if (await isOneRowPerLine(open())) {
    yield* jsonlDocuments(open(), name, textKey);
    return;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  const value = parseJson(decodeText(concatBytes(chunks), name), `${name}: expected JSON`, "the file");
  const rows = isRecord(value) ? value["data"] : value;
  if (!Array.isArray(rows)) {
    const got = isRecord(value)
      ? `an object with ${Object.keys(value).join(", ") || "no fields"}`
      : describe(value);
    throw new FormatError(
      `${name}: expected a list of rows or {"data": [rows]}, got ${got}. Write one row per line into a .jsonl file instead.`,
    );
  }
  const toDocument = rowReader(name, textKey);
  for (const [i, row] of rows.entries()) {
    const document = toDocument(row, i + 1);
    if (document) yield document;
  }
}

async function isOneRowPerLine(chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const bytes of splitBytes(chunks, NEWLINE)) {
    const line = new TextDecoder().decode(bytes.subarray(0, 64)).trim();
    if (line === "") continue;
    if (!line.startsWith("{")) return false;
    try {
      const row: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return isRecord(row) && !Array.isArray(row["data"]);
    } catch {
      return false; // the first line of an object that goes on: one document, which is then parsed and judged as a whole
    }
  }
  return false;
}

/** Reads rows of one file, all by the layout of the first. */
export function rowReader(
  name: string,
  textKey?: string,
): (row: unknown, number: number) => Document | undefined {
  let layout: RowLayout | undefined;
  return (row, number) => {
    const id = `${name}#${number}`;
    const where = `${name}: row ${number}`;
    if (typeof row === "string") return row === "" ? undefined : { id, text: row };
    if (!isRecord(row)) {
      throw new FormatError(
        `${where}: expected an object or a string, got ${describe(row)}. Correct or remove the row.`,
      );
    }
    layout ??= chooseRowLayout(row, where, textKey);
    return rowDocument(row, layout, id, where);
  };
}

function parseJson(text: string, expected: string, what: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new FormatError(
      `${expected}, got text that is not (${errorMessage(cause)}). Correct or remove ${what}.`,
      {
        cause,
      },
    );
  }
}

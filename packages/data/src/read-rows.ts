import { errorMessage, FormatError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { byteChunks } from "./byte-chunks.js";
import { csvRows } from "./csv-rows.js";
import { detectFormat, type DatasetFormat } from "./dataset-format.js";
import { decodeText } from "./decode-text.js";
import { parquetRows } from "./parquet-rows.js";
import { isRecord } from "./row-document.js";
import { concatBytes } from "./split-bytes.js";

/** One row of a data set, with all its columns. */
export interface Row {
  /** `file: row n`, rows from 1 and, for `.jsonl`, lines: what messages call it. */
  readonly id: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface ReadRowsOptions {
  /** The file's name without folders: tells the format, and begins every row's id. */
  name: string;
  /** Default: told by the name, else by the content. */
  format?: DatasetFormat;
}

/**
 * The rows of a `.jsonl`, `.json`, `.csv`, `.tsv` (each may be `.gz`) or `.parquet` file, in file order.
 * Parquet's 64-bit integers become numbers.
 *
 * @throws {FormatError} If the file is malformed or holds text without rows; names the file and the row.
 */
export async function readRows(source: ByteSource, { name, format }: ReadRowsOptions): Promise<Row[]> {
  const found = await detectFormat(source, name, format);
  if (found === "parquet") return parquetRows(source, name);
  const chunks: Uint8Array[] = [];
  for await (const chunk of byteChunks(source, name)) chunks.push(chunk);
  const text = decodeText(concatBytes(chunks), name);
  switch (found) {
    case "csv":
      return csvRows(text, name);
    case "jsonl":
      return jsonlRows(text, name);
    case "json":
      return jsonRows(text, name);
    case "text":
      throw new FormatError(
        `${name}: expected rows (.jsonl, .json, .csv, .tsv or .parquet), got plain text. Give a file with one row per document.`,
      );
  }
}

function jsonlRows(text: string, name: string): Row[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const id = `${name}: row ${i + 1}`;
    return [{ id, value: asRow(parseJson(line, `${id}: expected one JSON value per line`), id) }];
  });
}

function jsonRows(text: string, name: string): Row[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (/^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)) return jsonlRows(text, name); // one row per line under the name .json
    throw new FormatError(
      `${name}: expected JSON, got text that is not (${errorMessage(cause)}). Correct the file.`,
      { cause },
    );
  }
  const rows = isRecord(value) && Array.isArray(value["data"]) ? (value["data"] as unknown[]) : value;
  if (!Array.isArray(rows)) {
    throw new FormatError(
      `${name}: expected a list of rows or {"data": [rows]}, got ${isRecord(rows) ? "one object" : typeof rows}. Write one row per line into a .jsonl file instead.`,
    );
  }
  return rows.map((row: unknown, i) => {
    const id = `${name}: row ${i + 1}`;
    return { id, value: asRow(row, id) };
  });
}

function asRow(value: unknown, id: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new FormatError(
    `${id}: expected an object with fields, got ${Array.isArray(value) ? "a list" : value === null ? "null" : typeof value}. Correct or remove the row.`,
  );
}

function parseJson(text: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(
      `${expected}, got text that is not (${errorMessage(cause)}). Correct or remove the line.`,
      { cause },
    );
  }
}

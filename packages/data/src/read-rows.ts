import { errorMessage, FormatError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { byteChunks } from "./byte-chunks.js";
import { csvRows } from "./csv-rows.js";
import { detectFormat, type DatasetFormat } from "./dataset-format.js";
import { decodeText } from "./decode-text.js";
import { parquetRows } from "./parquet-rows.js";
import { isRecord } from "./row-document.js";
import { concatBytes, splitBytes } from "./split-bytes.js";

const NEWLINE = new Uint8Array([0x0a]);

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
export async function readRows(source: ByteSource, options: ReadRowsOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of streamRows(source, options)) rows.push(row);
  return rows;
}

/** As {@link readRows}, one after another: of `.jsonl` a line, of `.parquet` a row group is in memory at a time. */
export async function* streamRows(
  source: ByteSource,
  { name, format }: ReadRowsOptions,
): AsyncGenerator<Row> {
  const wholeText = async (): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of byteChunks(source, name)) chunks.push(chunk);
    return decodeText(concatBytes(chunks), name);
  };
  switch (await detectFormat(source, name, format)) {
    case "parquet":
      yield* parquetRows(source, name);
      return;
    case "jsonl":
      yield* jsonlRows(byteChunks(source, name), name);
      return;
    case "csv":
      yield* csvRows(await wholeText(), name);
      return;
    case "json":
      yield* jsonRows(await wholeText(), name);
      return;
    case "text":
      throw new FormatError(
        `${name}: expected rows (.jsonl, .json, .csv, .tsv or .parquet), got plain text. Give a file with one row per document.`,
      );
  }
}

async function* jsonlRows(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Row> {
  let number = 0;
  for await (const bytes of splitBytes(chunks, NEWLINE)) {
    const id = `${name}: row ${++number}`;
    const row = lineRow(decodeText(bytes, id), id);
    if (row) yield row;
  }
}

/** The row of one line; undefined for a blank one. */
function lineRow(line: string, id: string): Row | undefined {
  if (line.trim() === "") return undefined;
  return { id, value: asRow(parseJson(line, `${id}: expected one JSON value per line`), id) };
}

function jsonRows(text: string, name: string): Row[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (/^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)) {
      // one row per line under the name .json
      return text.split("\n").flatMap((line, i) => lineRow(line, `${name}: row ${i + 1}`) ?? []);
    }
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

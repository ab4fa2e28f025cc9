import { FormatError, UsageError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { byteChunks } from "./byte-chunks.js";

/** How a data set's file is laid out, whatever it is compressed with. */
export type DatasetFormat = "text" | "jsonl" | "json" | "csv" | "parquet";

export const DATASET_FORMATS: readonly DatasetFormat[] = ["text", "jsonl", "json", "csv", "parquet"];

const FORMAT_OF_EXTENSION: Readonly<Record<string, DatasetFormat>> = {
  txt: "text",
  text: "text",
  md: "text",
  raw: "text",
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "json",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
};

/** The format that a file's name tells, or undefined. `.gz` at the end says nothing. */
export function formatOfName(name: string): DatasetFormat | undefined {
  const extension = /\.([a-z]+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : FORMAT_OF_EXTENSION[extension];
}

/**
 * The format of a file: what the caller says, else what the name says, else what the first bytes say.
 *
 * @throws {FormatError} If it is neither text nor a known container.
 * @throws {UsageError} If `format` is no format.
 */
export async function detectFormat(
  source: ByteSource,
  name: string,
  format?: string,
): Promise<DatasetFormat> {
  if (format !== undefined) {
    const known = DATASET_FORMATS.find((each) => each === format);
    if (known) return known;
    throw new UsageError(`format: expected ${DATASET_FORMATS.join(", ")}, got "${format}".`);
  }
  return formatOfName(name) ?? (await sniffFormat(source, name));
}

async function sniffFormat(source: ByteSource, name: string): Promise<DatasetFormat> {
  for await (const chunk of byteChunks(source, name)) {
    const start = new TextDecoder("latin1").decode(chunk.subarray(0, 4096)).replace(/^\xef\xbb\xbf/, "");
    if (start.startsWith("PAR1")) return "parquet";
    if (/^\s*[[{]/.test(start)) return "json";
    if (!start.includes("\0") && !start.startsWith("\x28\xb5\x2f\xfd")) return "text";
    throw new FormatError(
      `${name}: expected .txt, .jsonl, .json, .csv, .tsv (each may be .gz) or .parquet, got a binary file of another kind. ` +
        `Convert it, or decompress it first.`,
    );
  }
  return "text"; // an empty file: no documents
}

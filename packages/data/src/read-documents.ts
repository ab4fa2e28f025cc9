import type { ByteSource } from "@sdmprune/model-io";
import { byteChunks, storedChunks } from "./byte-chunks.js";
import { detectFormat, type DatasetFormat } from "./dataset-format.js";
import type { Document, DocumentSource, SourceFile } from "./document.js";
import { csvRows } from "./csv-rows.js";
import { decodeText } from "./decode-text.js";
import { jsonDocuments, jsonlDocuments, rowReader } from "./json-documents.js";
import { parquetDocuments } from "./parquet-documents.js";
import { concatBytes } from "./split-bytes.js";
import { textDocuments } from "./text-documents.js";

export interface ReadDocumentsOptions {
  /** The file's name without folders: tells the format, and begins every document's id. */
  name: string;
  /** Default: told by the name, else by the content. */
  format?: DatasetFormat;
  /** Field of a row that holds the text. Default: `input_ids`, else the first usual name, else the only string. */
  textKey?: string;
  /** Hashes the file; in Node, `@sdmprune/data/node` gives one that streams. Default: Web Crypto, file in memory. */
  sha256?: (source: ByteSource) => Promise<string>;
}

/**
 * The documents of one file: `.txt` (between `<|endoftext|>` marks, else between blank lines), `.jsonl`,
 * `.json` (a list, `{"data": list}` or one row per line), `.csv`, `.tsv`, each also gzipped, and `.parquet`.
 *
 * Nothing is read before the documents are iterated, and every iteration reads anew. Iterating throws
 * FormatError for a malformed file or row, naming file and row.
 */
export function readDocuments(source: ByteSource, options: ReadDocumentsOptions): DocumentSource {
  const { name, sha256 = sha256InMemory } = options;
  let files: Promise<readonly SourceFile[]> | undefined;
  return {
    name,
    files: () => (files ??= sha256(source).then((hash) => [{ name, sizeBytes: source.size, sha256: hash }])),
    [Symbol.asyncIterator]: () => iterate(source, options),
  };
}

/** Several sources as one, in the order given. */
export function concatDocuments(name: string, sources: readonly DocumentSource[]): DocumentSource {
  return {
    name,
    files: async () => (await Promise.all(sources.map((source) => source.files()))).flat(),
    async *[Symbol.asyncIterator]() {
      for (const source of sources) yield* source;
    },
  };
}

async function* iterate(
  source: ByteSource,
  { name, format, textKey }: ReadDocumentsOptions,
): AsyncGenerator<Document> {
  const open = () => byteChunks(source, name);
  switch (await detectFormat(source, name, format)) {
    case "text":
      yield* textDocuments(open, name);
      return;
    case "jsonl":
      yield* jsonlDocuments(open(), name, textKey);
      return;
    case "json":
      yield* jsonDocuments(open, name, textKey);
      return;
    case "csv":
      yield* csvDocuments(open, name, textKey);
      return;
    case "parquet":
      yield* parquetDocuments(source, name, textKey);
      return;
  }
}

async function* csvDocuments(
  open: () => AsyncIterable<Uint8Array>,
  name: string,
  textKey?: string,
): AsyncGenerator<Document> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  const toDocument = rowReader(name, textKey);
  for (const [i, { value }] of csvRows(decodeText(concatBytes(chunks), name), name).entries()) {
    const document = toDocument(value, i + 1);
    if (document) yield document;
  }
}

async function sha256InMemory(source: ByteSource): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of storedChunks(source)) chunks.push(chunk);
  return sha256Hex(concatBytes(chunks));
}

/** SHA-256 in hexadecimal. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

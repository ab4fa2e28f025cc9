import { FormatError } from "@sdmprune/core";
import { basename } from "node:path";
import { FileByteSource } from "@sdmprune/model-io/node";
import { byteChunks } from "../byte-chunks.js";
import { detectFormat } from "../dataset-format.js";
import { decodeText } from "../decode-text.js";
import { concatBytes } from "../split-bytes.js";
import { openDocuments, sha256, type OpenDocumentsOptions } from "./open-documents.js";

export interface TextFile {
  readonly text: string;
  /** SHA-256 of the file's bytes as stored, in hexadecimal. */
  readonly sha256: string;
}

/**
 * Reads a file as one text, as perplexity needs it: a text file (perhaps `.gz`) as it stands, line ends
 * included; of a data set the documents with a blank line between them.
 *
 * @throws {NotFoundError} If there is no such file.
 * @throws {FormatError} If it is malformed, or holds `input_ids`, which are no text.
 */
export async function readTextFile(path: string, options: OpenDocumentsOptions = {}): Promise<TextFile> {
  const name = basename(path);
  const source = await FileByteSource.open(path);
  if ((await detectFormat(source, name, options.format)) === "text") {
    const chunks: Uint8Array[] = [];
    for await (const chunk of byteChunks(source, name)) chunks.push(chunk);
    return { text: decodeText(concatBytes(chunks), name), sha256: await sha256(source) };
  }
  const texts: string[] = [];
  for await (const document of await openDocuments(path, options)) {
    if (!("text" in document)) {
      throw new FormatError(`${document.id}: expected text, got "input_ids". Give a file with text.`);
    }
    texts.push(document.text);
  }
  return { text: texts.join("\n\n"), sha256: await sha256(source) };
}

import { decodeText } from "./decode-text.js";
import type { TextDocument } from "./document.js";
import { concatBytes, splitBytes } from "./split-bytes.js";

const NEWLINE = new Uint8Array([0x0a]);
/** `<|endoftext|>`, the mark between documents that the GPT family's corpora use. */
const END_OF_TEXT = new TextEncoder().encode("<|endoftext|>");

/**
 * Documents of a plain text file: what stands between `<|endoftext|>` marks, or, in a file without any,
 * between blank lines. Documents that are only white space are left out.
 *
 * @param open - Opens the file's bytes; called twice, because the first pass looks for a mark.
 */
export async function* textDocuments(
  open: () => AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<TextDocument> {
  const pieces = (await hasMark(open())) ? splitBytes(open(), END_OF_TEXT) : paragraphs(open());
  let row = 0;
  for await (const bytes of pieces) {
    const text = decodeText(bytes, `${name}: document ${row + 1}`)
      .replace(/^(?:[ \t]*\r?\n)+/, "")
      .trimEnd();
    if (text !== "") yield { id: `${name}#${++row}`, text };
  }
}

async function hasMark(chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
  let numPieces = 0;
  for await (const piece of splitBytes(chunks, END_OF_TEXT)) {
    if (piece && ++numPieces === 2) return true;
  }
  return false;
}

/** Runs of lines that are not blank, each as one piece. */
async function* paragraphs(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let lines: Uint8Array[] = [];
  for await (const line of splitBytes(chunks, NEWLINE)) {
    if (!isBlank(line)) {
      lines.push(line, NEWLINE);
    } else if (lines.length > 0) {
      yield concatBytes(lines);
      lines = [];
    }
  }
  if (lines.length > 0) yield concatBytes(lines);
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/**
 * Cuts a stream of bytes at every occurrence of `delimiter`. The pieces come without it, the last one
 * (perhaps empty) is what follows the last delimiter. Works on bytes so that text is decoded piece by
 * piece and a fault in the encoding can be told by its row.
 */
export async function* splitBytes(
  chunks: AsyncIterable<Uint8Array>,
  delimiter: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []; // bytes of the piece under way, before `chunk`
  let tail = new Uint8Array(0); // end of the last chunk that may be the start of a delimiter
  for await (const next of chunks) {
    const chunk = concatBytes([tail, next]);
    let from = 0;
    for (let at = indexOfBytes(chunk, delimiter, 0); at >= 0; at = indexOfBytes(chunk, delimiter, from)) {
      yield concatBytes([...held, chunk.subarray(from, at)]);
      held = [];
      from = at + delimiter.length;
    }
    const keep = Math.max(from, chunk.length - (delimiter.length - 1));
    held.push(chunk.subarray(from, keep));
    tail = chunk.slice(keep);
  }
  yield concatBytes([...held, tail]);
}

/** Where `needle` first stands in `bytes` at or after `from`, or -1. */
export function indexOfBytes(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const first = needle[0]!;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    let matched = 1;
    while (matched < needle.length && bytes[at + matched] === needle[matched]) matched++;
    if (matched === needle.length) return at;
  }
  return -1;
}

/** The parts one after another; a single non-empty part is returned as it is, without a copy. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const filled = parts.filter((part) => part.length > 0);
  if (filled.length === 1) return filled[0]!;
  const out = new Uint8Array(filled.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of filled) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

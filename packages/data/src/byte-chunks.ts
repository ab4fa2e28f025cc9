import { errorMessage, FormatError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";

const CHUNK_BYTES = 1 << 20; // 1 MiB: few reads, little memory

/** The bytes of `source` from first to last, decompressed if they are gzip (told by content, not by name). */
export async function* byteChunks(source: ByteSource, name: string): AsyncGenerator<Uint8Array> {
  const magic = await source.read(0, Math.min(2, source.size));
  if (magic[0] === 0x1f && magic[1] === 0x8b) yield* gunzip(storedChunks(source), name);
  else yield* storedChunks(source);
}

/** The bytes of `source` as they are stored. */
export async function* storedChunks(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += CHUNK_BYTES) {
    yield await source.read(at, Math.min(CHUNK_BYTES, source.size - at));
  }
}

async function* gunzip(chunks: AsyncGenerator<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const compressed = new ReadableStream<BufferSource>({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
  const reader = compressed.pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (cause) {
    throw new FormatError(
      `${name}: expected gzip data, got a damaged or cut file (${errorMessage(cause)}). Fetch it again.`,
      { cause },
    );
  } finally {
    await reader.cancel().catch(() => {}); // ends the source when the consumer stops early; a no-op after an error
  }
}

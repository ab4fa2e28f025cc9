import { FormatError } from "@sdmprune/core";

/**
 * Random access to the bytes of a file, wherever it lives: memory, a Blob, a disk, a server.
 */
export interface ByteSource {
  /** Size in bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, in an array that the caller owns and that starts at a multiple of
   * 8 in its buffer wherever the source can do so.
   *
   * @param into - `length` bytes of the caller's that the source may write to and return, to spare an array.
   * @throws {FormatError} If the range is not inside the source, or the source has become shorter.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
}

/** Bytes in memory. `read` copies. */
export class MemoryByteSource implements ByteSource {
  constructor(private readonly bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.byteLength;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    assertRange("MemoryByteSource", this.size, offset, length);
    return this.bytes.slice(offset, offset + length);
  }
}

/** A Blob or File of the browser, or Node's. */
export class BlobByteSource implements ByteSource {
  constructor(private readonly blob: Blob) {}

  get size(): number {
    return this.blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    assertRange("BlobByteSource", this.size, offset, length);
    const bytes = new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
    if (bytes.byteLength !== length) {
      throw new FormatError(
        `BlobByteSource: expected ${length} bytes at ${offset}, got ${bytes.byteLength}.`,
      );
    }
    return bytes;
  }
}

/**
 * Refuses a range that is not inside a source of `size` bytes.
 *
 * @throws {FormatError} If it is not.
 */
export function assertRange(where: string, size: number, offset: number, length: number): void {
  const fits =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= size;
  if (!fits) {
    throw new FormatError(
      `${where}: expected a range inside ${size} bytes, got ${length} bytes at ${offset}.`,
    );
  }
}

import { FormatError } from "@sdmprune/core";
import type { ByteSource } from "../byte-source.js";
import { decodeUtf8 } from "../json-object.js";

const CHUNK_BYTES = 2 ** 20;

/** Reads a source from its start, little-endian and piece by piece; every length is checked against what is left. */
export class SourceCursor {
  #position = 0;
  #chunk = new Uint8Array(0);
  #chunkStart = 0;

  /** @param limit - Bytes after which nothing more may be read. */
  constructor(
    private readonly source: ByteSource,
    private readonly where: string,
    private readonly limit: number,
  ) {}

  get position(): number {
    return this.#position;
  }

  /** Bytes that can still be read. */
  get left(): number {
    return Math.min(this.source.size, this.limit) - this.#position;
  }

  /**
   * The next bytes: a view that is valid until the next call.
   *
   * @param what - What they are, for errors.
   * @throws {FormatError} If the file ends before.
   */
  async bytes(length: number, what: string): Promise<DataView<ArrayBuffer>> {
    this.assertLeft(length, what);
    let offset = this.#position - this.#chunkStart;
    if (offset + length > this.#chunk.byteLength) {
      this.#chunkStart = this.#position;
      const size = Math.max(length, Math.min(CHUNK_BYTES, this.left));
      this.#chunk = new Uint8Array(await this.source.read(this.#position, size));
      offset = 0;
    }
    this.#position += length;
    return new DataView(this.#chunk.buffer, this.#chunk.byteOffset + offset, length);
  }

  async uint32(what: string): Promise<number> {
    return (await this.bytes(4, what)).getUint32(0, true);
  }

  /**
   * A count of things that take at least `bytesEach` bytes each, all of which must still fit.
   *
   * @throws {FormatError} If they do not, which a damaged file would otherwise answer with a huge array.
   */
  async count(what: string, bytesEach: number): Promise<number> {
    const count = (await this.bytes(8, what)).getBigUint64(0, true);
    if (count * BigInt(bytesEach) > BigInt(this.left)) {
      throw new FormatError(
        `${this.where}: ${what}: expected a number that fits in the ${this.left} bytes left, got ${count}. Is the file damaged or cut off?`,
      );
    }
    return Number(count);
  }

  async string(what: string): Promise<string> {
    const length = await this.count(what, 1);
    const { buffer, byteOffset } = await this.bytes(length, what);
    return decodeUtf8(new Uint8Array(buffer, byteOffset, length), `${this.where}: ${what}`);
  }

  private assertLeft(length: number, what: string): void {
    if (length <= this.left) return;
    throw new FormatError(
      `${this.where}: ${what}: expected ${length} bytes at ${this.#position}, got ${Math.max(this.left, 0)}. Is the file cut off?`,
    );
  }
}

import { FormatError, ShapeError } from "@sdmprune/core";
import { type GgmlType, ggmlBytes, ggmlTypeTraits } from "./ggml-types.js";
import { GGUF_VALUE_TYPES, type GgufScalar, type GgufScalarType, type GgufValue } from "./gguf-metadata.js";
import { DEFAULT_ALIGNMENT, GGUF_MAGIC } from "./read-gguf-header.js";

/** A tensor to be written to a GGUF file. `data` is called once, when its turn comes. */
export interface GgufTensorToWrite {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major; the last dimension is contiguous and must be whole blocks. */
  readonly shape: readonly number[];
  readonly data: () => Uint8Array | Promise<Uint8Array>;
}

/** The bytes before the first tensor, and the size of the file. */
export interface GgufLayout {
  readonly header: Uint8Array;
  readonly tensors: readonly (GgufTensorToWrite & { readonly byteLength: number })[];
  readonly totalBytes: number;
}

/**
 * Lays out a GGUF file of version 3 with tensors in the given order, each at a multiple of 32 bytes.
 *
 * @throws {FormatError} If a name stands twice or a row is not whole blocks.
 */
export function layoutGguf(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensorToWrite[],
): GgufLayout {
  const writer = new HeaderWriter();
  writer.uint32(GGUF_MAGIC);
  writer.uint32(3);
  writer.uint64(tensors.length);
  writer.uint64(metadata.size);
  for (const [key, value] of metadata) {
    writer.string(key);
    writer.value(value);
  }
  const names = new Set<string>();
  const placed = tensors.map((tensor) => ({ ...tensor, byteLength: checkedBytes(tensor) }));
  let offset = 0;
  for (const { name, type, shape, byteLength } of placed) {
    if (names.has(name))
      throw new FormatError(`layoutGguf: expected every tensor name once, got "${name}" again.`);
    names.add(name);
    writer.string(name);
    writer.uint32(shape.length);
    for (const size of [...shape].reverse()) writer.uint64(size); // the contiguous dimension first
    writer.uint32(ggmlTypeTraits(type).id);
    writer.uint64(offset);
    offset += padded(byteLength);
  }
  const header = writer.finish();
  return { header, tensors: placed, totalBytes: header.byteLength + offset };
}

/**
 * The bytes of a laid-out file, in pieces: its header, then each tensor with its padding.
 *
 * @throws {ShapeError} If a tensor's data has another length than its type and shape say.
 */
export async function* ggufPieces({ header, tensors }: GgufLayout): AsyncGenerator<Uint8Array> {
  yield header;
  for (const { name, type, shape, byteLength, data } of tensors) {
    const bytes = await data();
    if (bytes.byteLength !== byteLength) {
      throw new ShapeError(
        `tensor "${name}": expected ${byteLength} bytes (${type}, shape [${shape.join(", ")}]), got ${bytes.byteLength}.`,
      );
    }
    yield bytes;
    if (padded(byteLength) > byteLength) yield new Uint8Array(padded(byteLength) - byteLength);
  }
}

function checkedBytes({ name, type, shape }: GgufTensorToWrite): number {
  const { blockSize } = ggmlTypeTraits(type);
  const rowLength = shape.at(-1) ?? 0;
  if (rowLength % blockSize !== 0 || rowLength === 0) {
    throw new FormatError(
      `tensor "${name}": expected rows of whole blocks of ${blockSize} (${type}), got ${rowLength} elements.`,
    );
  }
  return ggmlBytes(
    type,
    shape.reduce((size, dimension) => size * dimension, 1),
  );
}

function padded(length: number): number {
  return Math.ceil(length / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
}

/** Little-endian values one after another in a buffer that grows. */
class HeaderWriter {
  #view = new DataView(new ArrayBuffer(2 ** 16));
  #length = 0;
  readonly #encoder = new TextEncoder();

  uint32(value: number): void {
    this.#reserve(4).setUint32(this.#length - 4, value, true);
  }

  uint64(value: number | bigint): void {
    this.#reserve(8).setBigUint64(this.#length - 8, BigInt(value), true);
  }

  string(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.uint64(bytes.byteLength);
    const view = this.#reserve(bytes.byteLength);
    new Uint8Array(view.buffer).set(bytes, this.#length - bytes.byteLength);
  }

  /** A metadata value with its type in front. */
  value(entry: GgufValue): void {
    this.uint32(GGUF_VALUE_TYPES.indexOf(entry.type));
    if (entry.type !== "ARRAY") return this.#scalar(entry.type, entry.value);
    const { itemType, value } = entry;
    if (itemType === "ARRAY")
      throw new FormatError("layoutGguf: expected lists of plain values, got a list of lists.");
    this.uint32(GGUF_VALUE_TYPES.indexOf(itemType));
    this.uint64(value.length);
    for (const item of value) this.#scalar(itemType, item as GgufScalar);
  }

  /** The bytes so far, padded to the alignment. */
  finish(): Uint8Array {
    return new Uint8Array(this.#view.buffer).slice(0, padded(this.#length)).fill(0, this.#length);
  }

  #scalar(type: GgufScalarType, value: GgufScalar): void {
    const at = this.#length;
    switch (type) {
      case "STRING":
        return this.string(value as string);
      case "BOOL":
        return this.#reserve(1).setUint8(at, value ? 1 : 0);
      case "UINT8":
        return this.#reserve(1).setUint8(at, value as number);
      case "INT8":
        return this.#reserve(1).setInt8(at, value as number);
      case "UINT16":
        return this.#reserve(2).setUint16(at, value as number, true);
      case "INT16":
        return this.#reserve(2).setInt16(at, value as number, true);
      case "UINT32":
        return this.uint32(value as number);
      case "INT32":
        return this.#reserve(4).setInt32(at, value as number, true);
      case "FLOAT32":
        return this.#reserve(4).setFloat32(at, value as number, true);
      case "UINT64":
        return this.uint64(value as number | bigint);
      case "INT64":
        return this.#reserve(8).setBigInt64(at, BigInt(value), true);
      case "FLOAT64":
        return this.#reserve(8).setFloat64(at, value as number, true);
    }
  }

  /** Room for more bytes, which count as written; there is always room for the padding, too. */
  #reserve(length: number): DataView<ArrayBuffer> {
    this.#length += length;
    if (this.#length + DEFAULT_ALIGNMENT > this.#view.byteLength) {
      const grown = new Uint8Array(2 * (this.#length + DEFAULT_ALIGNMENT));
      grown.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(grown.buffer);
    }
    return this.#view;
  }
}

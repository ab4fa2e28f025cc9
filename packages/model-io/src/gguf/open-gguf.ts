import type { ByteSource } from "../byte-source.js";
import { MemoryByteSource } from "../byte-source.js";
import { unknownTensor } from "../open-safetensors.js";
import { ShapeError } from "@sdmprune/core";
import { dequantize } from "./dequantize.js";
import { ggmlBytes } from "./ggml-types.js";
import { GgufMetadata } from "./gguf-metadata.js";
import { type GgufTensorInfo, readGgufHeader } from "./read-gguf-header.js";

/** A GGUF file whose header has been read; tensors are read when asked for. */
export interface GgufFile {
  /** Path or other name of the file, as error messages show it. */
  readonly name: string;
  readonly version: number;
  readonly metadata: GgufMetadata;
  /** Tensor names in the order of their bytes. */
  readonly names: readonly string[];
  has(tensor: string): boolean;
  /** @throws {NotFoundError} If there is no such tensor. */
  tensor(name: string): GgufTensorInfo;
  /**
   * The bytes of a tensor as they stand in the file, or of a range of its rows; the caller owns them.
   *
   * @param rows - Indices `[start, end)`, counting all dimensions but the last as one.
   */
  read(name: string, rows?: readonly [start: number, end: number]): Promise<Uint8Array>;
  /** As `read`, dequantised to float32. */
  readFloat32(name: string, rows?: readonly [start: number, end: number]): Promise<Float32Array>;
}

/**
 * Opens a GGUF file: reads and checks its header, nothing else.
 *
 * @param source - The file; a `Uint8Array` is read in place.
 * @param name - Its name for error messages.
 * @throws {FormatError} If the file is malformed or holds types that cannot be read here.
 */
export async function openGguf(source: ByteSource | Uint8Array, name = "GGUF data"): Promise<GgufFile> {
  const bytes = source instanceof Uint8Array ? new MemoryByteSource(source) : source;
  const { version, metadata, tensors } = await readGgufHeader(bytes, name);
  const byName = new Map(tensors.map((info) => [info.name, info]));
  const tensor = (wanted: string): GgufTensorInfo => {
    const info = byName.get(wanted);
    if (info === undefined) throw unknownTensor(name, wanted, [...byName.keys()]);
    return info;
  };
  const read: GgufFile["read"] = async (wanted, rows) => {
    const info = tensor(wanted);
    if (rows === undefined) return bytes.read(info.byteOffset, info.byteLength);
    const numRows = numRowsOf(info);
    const [start, end] = rows;
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || start > end || end > numRows) {
      throw new ShapeError(
        `${name}: tensor "${wanted}": expected rows within [0, ${numRows}], got [${start}, ${end}].`,
      );
    }
    const rowBytes = ggmlBytes(info.type, info.shape.at(-1)!);
    return bytes.read(info.byteOffset + start * rowBytes, (end - start) * rowBytes);
  };
  return {
    name,
    version,
    metadata: new GgufMetadata(metadata, name),
    names: tensors.map((info) => info.name),
    has: (wanted) => byName.has(wanted),
    tensor,
    read,
    readFloat32: async (wanted, rows) => dequantize(await read(wanted, rows), tensor(wanted).type),
  };
}

/** Rows of a tensor: all its dimensions but the last, as one. */
export function numRowsOf({ shape }: { readonly shape: readonly number[] }): number {
  return shape.slice(0, -1).reduce((size, dimension) => size * dimension, 1);
}

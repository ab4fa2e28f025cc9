import { FormatError, NotFoundError, ShapeError, suggestNames } from "@sdmprune/core";
import { type ByteSource, MemoryByteSource } from "./byte-source.js";
import { toFloat32 } from "./float-conversion.js";
import { describeJson } from "./json-object.js";
import { readSafetensorsHeader, type TensorInfo } from "./safetensors-header.js";

export interface ReadOptions {
  /** Only these rows: indices `[start, end)` of the first dimension. */
  rows?: readonly [start: number, end: number];
  /** As many bytes, which the source may write to and return, to spare an array. */
  into?: Uint8Array | undefined;
}

/** A safetensors file whose header has been read; tensors are read when asked for. */
export interface SafetensorsFile {
  /** Path or other name of the file, as error messages show it. */
  readonly name: string;
  /** Tensor names in the order of their bytes. */
  readonly names: readonly string[];
  /** The `__metadata__` strings; empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
  has(tensor: string): boolean;
  /** @throws {NotFoundError} If there is no such tensor. */
  tensor(name: string): TensorInfo;
  /** The raw bytes of a tensor, or of a range of its rows; the caller owns them. */
  read(name: string, options?: ReadOptions): Promise<Uint8Array>;
  /** As `read`, converted to float32 (see `toFloat32`). */
  readFloat32(name: string, options?: ReadOptions): Promise<Float32Array>;
}

/**
 * Opens a safetensors file: reads and checks its header, nothing else.
 *
 * @param source - The file; a `Uint8Array` is read in place.
 * @param name - Its name for error messages.
 * @throws {FormatError} If the file is malformed.
 */
export async function openSafetensors(
  source: ByteSource | Uint8Array,
  name = "safetensors data",
): Promise<SafetensorsFile> {
  const bytes = source instanceof Uint8Array ? new MemoryByteSource(source) : source;
  const { metadata, tensors } = await readSafetensorsHeader(bytes, name);
  const byName = new Map(tensors.map((info) => [info.name, info]));

  const tensor = (wanted: string): TensorInfo => {
    const info = byName.get(wanted);
    if (info === undefined) throw unknownTensor(name, wanted, [...byName.keys()]);
    return info;
  };
  const read = async (wanted: string, { rows, into }: ReadOptions = {}): Promise<Uint8Array> => {
    const info = tensor(wanted);
    const { byteOffset, byteLength } = rows === undefined ? info : rowRange(info, rows, name);
    return bytes.read(byteOffset, byteLength, into);
  };
  return {
    name,
    names: tensors.map((info) => info.name),
    metadata,
    has: (wanted) => byName.has(wanted),
    tensor,
    read,
    readFloat32: async (wanted, options) => toFloat32(await read(wanted, options), tensor(wanted).dtype),
  };
}

/** The error for a tensor that a file does not hold. */
export function unknownTensor(where: string, name: string, known: readonly string[]): NotFoundError {
  const near = known.length > 100_000 ? [] : suggestNames(name, known);
  const hint =
    near.length === 0 ? `It holds ${known.length} tensors` : `Did you mean "${near.join('" or "')}"?`;
  return new NotFoundError(
    `${where}: expected a tensor ${describeJson(name)}, got none of that name. ${hint}`,
  );
}

function rowRange(
  info: TensorInfo,
  [start, end]: readonly [number, number],
  file: string,
): { byteOffset: number; byteLength: number } {
  const where = `${file}: tensor ${describeJson(info.name)}`;
  const [numRows] = info.shape;
  if (numRows === undefined)
    throw new ShapeError(`${where}: expected a dimension to take rows of, got a scalar.`);
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || start > end || end > numRows) {
    throw new ShapeError(`${where}: expected rows within [0, ${numRows}], got [${start}, ${end}].`);
  }
  const rowBytes = numRows === 0 ? 0 : info.byteLength / numRows;
  if (!Number.isInteger(rowBytes)) {
    throw new FormatError(
      `${where}: expected rows of whole bytes, got ${rowBytes} bytes a row (${info.dtype}).`,
    );
  }
  return { byteOffset: info.byteOffset + start * rowBytes, byteLength: (end - start) * rowBytes };
}

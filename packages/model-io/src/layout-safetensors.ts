import { FormatError, ShapeError } from "@sdmprune/core";
import { compareDTypes, type DType, tensorByteLength } from "./dtype.js";

/** What a header says about a tensor. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor to be written. `data` is called once, when the one before has given its own. */
export interface TensorToWrite extends TensorSpec {
  /**
   * Row-major little-endian elements. They may be written into `into`, which is as long, and is theirs until the next but one
   * tensor is asked for; or be an array of their own.
   */
  readonly data: (into?: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

/** The header of a safetensors file, and its tensors in the order their bytes must follow. */
export interface SafetensorsLayout<T extends TensorSpec> {
  /** Everything before the first tensor: length and JSON. */
  readonly header: Uint8Array;
  readonly tensors: readonly (T & { readonly byteLength: number })[];
  /** Size of the file. */
  readonly totalBytes: number;
}

/** What transformers expects of a checkpoint; without it some versions refuse the file. */
export const PYTORCH_METADATA: Readonly<Record<string, string>> = { format: "pt" };

/**
 * Lays out a safetensors file exactly as the Python library does: tensors by falling alignment of their
 * type, then by name; compact JSON with `__metadata__` first, padded with spaces to a multiple of 8.
 *
 * @param metadata - `__metadata__`, in this order; an empty object leaves it out.
 * @throws {FormatError} If a name stands twice or is `__metadata__`, or a shape is impossible.
 */
export function layoutSafetensors<T extends TensorSpec>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>> = PYTORCH_METADATA,
): SafetensorsLayout<T> {
  const ordered = tensors
    .map((tensor) => ({ ...tensor, byteLength: tensorByteLength(tensor.dtype, tensor.shape, tensor.name) }))
    .sort((a, b) => compareDTypes(a.dtype, b.dtype) || compareUtf8(a.name, b.name));
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) entries.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const seen = new Set(["__metadata__"]);
  let offset = 0;
  for (const { name, dtype, shape, byteLength } of ordered) {
    if (seen.has(name)) {
      throw new FormatError(`layoutSafetensors: expected every tensor name once, got "${name}" again.`);
    }
    seen.add(name);
    const end = offset + byteLength;
    entries.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const paddedLength = Math.ceil(json.byteLength / 8) * 8;
  const header = new Uint8Array(8 + paddedLength).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(paddedLength), true);
  header.set(json, 8);
  return { header, tensors: ordered, totalBytes: header.byteLength + offset };
}

/**
 * A whole safetensors file in memory. For files larger than memory see `writeSafetensors` of
 * `@sdmprune/model-io/node`.
 */
export async function serializeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = PYTORCH_METADATA,
): Promise<Uint8Array> {
  const layout = layoutSafetensors(tensors, metadata);
  const file = new Uint8Array(layout.totalBytes);
  file.set(layout.header);
  let position = layout.header.byteLength;
  for (const tensor of layout.tensors) {
    file.set(await readTensorData(tensor), position);
    position += tensor.byteLength;
  }
  return file;
}

/**
 * Calls `data` of a tensor and checks the length of what it gives.
 *
 * @param into - As long as the tensor; see {@link TensorToWrite}.
 * @throws {ShapeError} If it is not what type and shape say.
 */
export async function readTensorData(
  tensor: TensorToWrite & { byteLength: number },
  into?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = await tensor.data(into);
  if (bytes.byteLength !== tensor.byteLength) {
    throw new ShapeError(
      `tensor "${tensor.name}": expected ${tensor.byteLength} bytes (${tensor.dtype}, shape [${tensor.shape.join(", ")}]), got ${bytes.byteLength}.`,
    );
  }
  return bytes;
}

/** Order of UTF-8 bytes, which is that of code points; JavaScript compares UTF-16 units. */
function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a.charCodeAt(i) !== b.charCodeAt(i)) {
      // Equal so far, so both indices stand at the same code point, or inside one with the same first half.
      return a.codePointAt(i)! - b.codePointAt(i)!;
    }
  }
  return a.length - b.length;
}

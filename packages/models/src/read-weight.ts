import { FormatError } from "@sdmprune/core";
import { indexRuns, tensorByteLength, toFloat32, type DType } from "@sdmprune/model-io";
import { filledTensor, tf } from "@sdmprune/tensor";
import type { WeightSource } from "./weight-source.js";

/** Slices of a tensor to keep: `indices` along `axis`. */
export interface KeptSlices {
  readonly axis: 0 | 1;
  readonly indices: Int32Array;
}

export interface ReadWeightOptions {
  /** Only these slices. */
  readonly kept?: KeptSlices | undefined;
  /** Only rows `[start, end)`. */
  readonly rows?: readonly [start: number, end: number] | undefined;
  /** Gives bytes to read into, of which nobody else makes use meanwhile. */
  readonly scratch?: ((byteLength: number) => Uint8Array) | undefined;
}

/**
 * Reads a tensor of a checkpoint as float32.
 *
 * @returns The caller disposes it.
 * @throws {FormatError} If the checkpoint gives another number of bytes than type and shape say.
 */
export async function readWeight(
  source: WeightSource,
  name: string,
  { kept, rows, scratch }: ReadWeightOptions = {},
): Promise<tf.Tensor> {
  const info = source.info(name);
  const shape = rows ? [rows[1] - rows[0], ...info.shape.slice(1)] : [...info.shape];
  const byteLength = tensorByteLength(info.dtype, shape, name);
  const bytes = await source.read(name, { rows, into: scratch?.(byteLength) });
  if (bytes.byteLength !== byteLength) {
    throw new FormatError(
      `Checkpoint: tensor "${name}" must have ${byteLength} bytes (${info.dtype}, shape [${shape.join(", ")}]), got ${bytes.byteLength}.`,
    );
  }
  if (kept) return keptTensor(bytes, info.dtype, shape, kept);
  // F32 that is nobody's scratch is the tensor as it is.
  if (info.dtype === "F32" && !scratch) return tf.tensor(toFloat32(bytes, info.dtype), shape, "float32");
  return filledTensor(shape, (values) => void toFloat32(bytes, info.dtype, values));
}

/** Converts rows or columns of a row-major matrix, or elements of a vector, and no others. */
function keptTensor(
  bytes: Uint8Array,
  dtype: DType,
  shape: readonly number[],
  { axis, indices }: KeptSlices,
): tf.Tensor {
  const [numRows, numColumns = 1] = shape as [number, number?];
  const rowBytes = bytes.byteLength / numRows;
  if (axis === 0) {
    return filledTensor([indices.length, ...shape.slice(1)], (values) => {
      for (const { start, end, first } of indexRuns(indices)) {
        const rows = bytes.subarray(first * rowBytes, (first + end - start) * rowBytes);
        toFloat32(rows, dtype, values.subarray(start * numColumns, end * numColumns));
      }
    });
  }
  return filledTensor([numRows, indices.length], (values) => {
    const whole = new Float32Array(numColumns);
    const runs = [...indexRuns(indices)];
    let at = 0;
    for (let row = 0; row < numRows; row++) {
      toFloat32(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), dtype, whole);
      for (const { start, end, first } of runs) {
        // Most runs are so short that a loop is quicker than a copy.
        for (let column = first, last = first + end - start; column < last; column++)
          values[at++] = whole[column]!;
      }
    }
  });
}

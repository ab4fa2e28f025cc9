import { FormatError } from "@sdmprune/core";
import { toFloat32 } from "@sdmprune/model-io";
import { tf } from "@sdmprune/tensor";
import type { WeightSource } from "./weight-source.js";

/** Slices of a tensor to keep: `indices` along `axis`. */
export interface KeptSlices {
  readonly axis: 0 | 1;
  readonly indices: Int32Array;
}

/**
 * Reads a tensor of a checkpoint as float32.
 *
 * @param options - `kept`: only these slices. `rows`: only rows `[start, end)`.
 * @returns The caller disposes it.
 */
export async function readWeight(
  source: WeightSource,
  name: string,
  { kept, rows }: { kept?: KeptSlices | undefined; rows?: readonly [number, number] } = {},
): Promise<tf.Tensor> {
  const info = source.info(name);
  const shape = rows ? [rows[1] - rows[0], ...info.shape.slice(1)] : [...info.shape];
  const values = toFloat32(await source.read(name, rows && { rows }), info.dtype);
  const size = shape.reduce((a, b) => a * b, 1);
  if (values.length !== size) {
    throw new FormatError(`Checkpoint: tensor "${name}" must have ${size} values, got ${values.length}.`);
  }
  if (!kept) return tf.tensor(values, shape, "float32");
  return keepSlices(values, shape, kept);
}

/** Gathers rows or columns of a row-major matrix, or elements of a vector. */
function keepSlices(
  values: Float32Array,
  shape: readonly number[],
  { axis, indices }: KeptSlices,
): tf.Tensor {
  const [rows, columns = 1] = shape as [number, number?];
  if (axis === 0) {
    const out = new Float32Array(indices.length * columns);
    indices.forEach((row, i) => out.set(values.subarray(row * columns, (row + 1) * columns), i * columns));
    return tf.tensor(out, [indices.length, ...shape.slice(1)], "float32");
  }
  const width = indices.length;
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) out[row * width + i] = values[row * columns + indices[i]!]!;
  }
  return tf.tensor(out, [rows, width], "float32");
}

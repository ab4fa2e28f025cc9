import { Rng } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";

/** Uniform values with mean 0 and this standard deviation, of a stream named `label`. */
export function randomValues(label: string, length: number, deviation: number): Float32Array {
  const rng = new Rng(0, label);
  const range = deviation * Math.sqrt(12);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (rng.uniform() - 0.5) * range;
  return values;
}

/** Values with standard deviation 1, as an activation or a gradient has; `[rows, columns]`. */
export function randomMatrix(label: string, rows: number, columns: number): tf.Tensor2D {
  return tf.tensor2d(randomValues(label, rows * columns, 1), [rows, columns]);
}

/** A weight `[rows, columns]` that keeps the scale of its input. */
export function linearWeight(label: string, rows: number, columns: number): tf.Tensor2D {
  return tf.tensor2d(randomValues(label, rows * columns, columns ** -0.5), [rows, columns]);
}

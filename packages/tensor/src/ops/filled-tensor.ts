import * as tf from "@tensorflow/tfjs-core";
import { runFused } from "../fused-kernels.js";

/**
 * A float32 tensor whose values `fill` writes, without a copy of them: on backends that keep the memory of freed
 * tensors, into such. A loop that loads weights then works in the same memory all the time.
 *
 * @param fill - Writes every value, in row-major order, before it returns. What it finds there is undefined.
 * @returns The caller disposes it.
 */
export function filledTensor(shape: readonly number[], fill: (values: Float32Array) => void): tf.Tensor {
  const fused = runFused("SdmFill", {}, { shape, fill });
  if (fused) return fused;
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  fill(values);
  return tf.tensor(values, [...shape], "float32");
}

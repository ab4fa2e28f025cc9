import { ShapeError } from "@sdmprune/core";
import type * as tf from "@tensorflow/tfjs-core";

/**
 * A tensor's values in float64, in row-major order.
 *
 * @param tensor - Any shape and numeric dtype. Must not be disposed before the promise is settled.
 */
export async function readFloat64(tensor: tf.Tensor): Promise<Float64Array> {
  return Float64Array.from(await tensor.data());
}

/**
 * Adds a tensor's values to a sum that is kept in float64, where a sum of many samples loses nothing.
 *
 * @param sum - Changed in place; as many elements as `tensor`.
 * @param tensor - Any shape and numeric dtype. Must not be disposed before the promise is settled.
 * @throws {ShapeError} If the sizes differ.
 */
export async function addTo(sum: Float64Array, tensor: tf.Tensor): Promise<void> {
  if (tensor.size !== sum.length) {
    throw new ShapeError(`addTo: tensor must have ${sum.length} elements, got shape [${tensor.shape}].`);
  }
  const values = await tensor.data();
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
}

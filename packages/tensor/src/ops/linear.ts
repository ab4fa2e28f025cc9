import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";

/**
 * `y = x weight^T + bias`, a linear layer in Hugging Face layout.
 *
 * Shapes: `N` = rows, `I` = inputs, `O` = outputs; float32.
 *
 * @param x - `[N, I]`.
 * @param weight - `[O, I]`.
 * @param bias - `[O]`.
 * @returns `[N, O]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor2D {
  const sizes = {};
  checkShape("linear", "x", x, ["N", "I"], sizes);
  checkShape("linear", "weight", weight, ["O", "I"], sizes);
  if (!bias) return tf.matMul(x, weight, false, true);
  checkShape("linear", "bias", bias, ["O"], sizes);
  return tf.tidy(() => tf.add(tf.matMul(x, weight, false, true), bias));
}

/**
 * Gradient of {@link linear} by `x`.
 *
 * @param dy - `[N, O]`.
 * @param weight - `[O, I]`.
 * @returns `[N, I]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function linearBackwardInput(dy: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  const sizes = {};
  checkShape("linearBackwardInput", "dy", dy, ["N", "O"], sizes);
  checkShape("linearBackwardInput", "weight", weight, ["O", "I"], sizes);
  return tf.matMul(dy, weight);
}

/**
 * Gradient of {@link linear} by `weight`, summed over the rows.
 *
 * @param x - `[N, I]`.
 * @param dy - `[N, O]`.
 * @returns `[O, I]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function linearBackwardWeight(x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  const sizes = {};
  checkShape("linearBackwardWeight", "x", x, ["N", "I"], sizes);
  checkShape("linearBackwardWeight", "dy", dy, ["N", "O"], sizes);
  return tf.matMul(dy, x, true, false);
}

/**
 * Gradient of {@link linear} by `bias`: the sum of the rows.
 *
 * @param dy - `[N, O]`.
 * @returns `[O]`. The caller disposes it.
 * @throws {ShapeError} If `dy` is no matrix.
 */
export function linearBackwardBias(dy: tf.Tensor2D): tf.Tensor1D {
  checkShape("linearBackwardBias", "dy", dy, ["N", "O"], {});
  return tf.sum(dy, 0);
}

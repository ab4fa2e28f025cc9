import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";
import { runFused } from "../fused-kernels.js";

/**
 * Root mean square normalisation (Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467):
 * `y = x / sqrt(mean(x^2) + eps) * weight`, the mean over the hidden dimension.
 *
 * Shapes: `N` = rows, `H` = hidden; float32.
 *
 * @param x - `[N, H]`.
 * @param weight - `[H]`.
 * @param eps - `rms_norm_eps` of the model's config.
 * @returns `[N, H]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, eps: number): tf.Tensor2D {
  const sizes = {};
  checkShape("rmsNorm", "x", x, ["N", "H"], sizes);
  checkShape("rmsNorm", "weight", weight, ["H"], sizes);
  const fused = runFused("SdmRmsNorm", { x, weight }, { eps });
  if (fused) return fused as tf.Tensor2D;
  return tf.tidy(() => tf.mul(tf.mul(x, inverseRms(x, eps)), weight));
}

/**
 * Gradient of {@link rmsNorm} by `x`.
 *
 * @param x - The input of the forward pass; `[N, H]`.
 * @param weight - `[H]`.
 * @param eps - As in the forward pass.
 * @param dy - `[N, H]`.
 * @returns `[N, H]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function rmsNormBackward(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  eps: number,
  dy: tf.Tensor2D,
): tf.Tensor2D {
  const sizes = {};
  checkShape("rmsNormBackward", "x", x, ["N", "H"], sizes);
  checkShape("rmsNormBackward", "weight", weight, ["H"], sizes);
  checkShape("rmsNormBackward", "dy", dy, ["N", "H"], sizes);
  const fused = runFused("SdmRmsNormBackward", { x, weight, dy }, { eps });
  if (fused) return fused as tf.Tensor2D;
  return tf.tidy(() => {
    const r = inverseRms(x, eps); // [N, 1]
    const s = tf.mul(dy, weight);
    const projection = tf.mul(tf.mean(tf.mul(s, x), 1, true), tf.square(r)); // [N, 1]
    return tf.mul(r, tf.sub(s, tf.mul(x, projection)));
  });
}

/**
 * Gradient of {@link rmsNorm} by `weight`, summed over the rows.
 *
 * @param x - The input of the forward pass; `[N, H]`.
 * @param eps - As in the forward pass.
 * @param dy - `[N, H]`.
 * @returns `[H]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function rmsNormBackwardWeight(x: tf.Tensor2D, eps: number, dy: tf.Tensor2D): tf.Tensor1D {
  const sizes = {};
  checkShape("rmsNormBackwardWeight", "x", x, ["N", "H"], sizes);
  checkShape("rmsNormBackwardWeight", "dy", dy, ["N", "H"], sizes);
  return tf.tidy(() => tf.sum<tf.Tensor1D>(tf.mul(tf.mul(dy, x), inverseRms(x, eps)), 0));
}

/** `1 / sqrt(mean(x^2) + eps)` of every row; `[N, 1]`. */
function inverseRms(x: tf.Tensor2D, eps: number): tf.Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), eps));
}

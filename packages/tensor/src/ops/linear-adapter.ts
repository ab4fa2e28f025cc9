import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { type AdapterAttributes, runFused } from "../fused-kernels.js";
import { droppedPositions, dropoutMask, type Dropout } from "./dropout-mask.js";
import { linear, linearBackwardInput } from "./linear.js";

/**
 * A low-rank change of a linear layer (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685):
 * `y += scaling * dropout(x) a^T b^T`. The change of the weight, `scaling * b a`, is never formed.
 *
 * Shapes: `N` = rows, `I` = inputs, `O` = outputs, `r` = rank; float32.
 */
export interface LinearAdapter {
  /** `[r, I]` */
  readonly a: tf.Tensor2D;
  /** `[O, r]` */
  readonly b: tf.Tensor2D;
  readonly scaling: number;
  /** Drops values of the input of the adapter alone. */
  readonly dropout?: Dropout | undefined;
}

/** Gradients by the matrices of a {@link LinearAdapter}, in their shapes. */
export interface LinearAdapterGradients {
  readonly a: tf.Tensor2D;
  readonly b: tf.Tensor2D;
}

/**
 * Output of a linear layer with its adapter, `x weight^T + bias + scaling * dropout(x) a^T b^T`; without one, of the layer.
 *
 * @param x - `[N, I]`.
 * @param weight - `[O, I]`.
 * @param bias - `[O]`.
 * @returns `[N, O]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function adaptedLinear(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias: tf.Tensor1D | undefined,
  adapter: LinearAdapter | undefined,
): tf.Tensor2D {
  if (!adapter) return linear(x, weight, bias);
  const sizes = checkLinearAdapter("adaptedLinear", x, weight, adapter);
  if (bias) checkShape("adaptedLinear", "bias", bias, ["O"], sizes);
  const { a, b } = adapter;
  const fused =
    x.shape[0] > 1 && runFused("SdmAdaptedLinear", { x, weight, bias, a, b }, attributes(x, adapter));
  if (fused) return fused as tf.Tensor2D;
  return tf.tidy(() => {
    const inner = tf.matMul(dropped(x, adapter), a, false, true); // [N, I] [r, I]^T -> [N, r]
    const scaled = tf.mul<tf.Tensor2D>(inner, effectiveScaling(adapter));
    return tf.add<tf.Tensor2D>(linear(x, weight, bias), tf.matMul(scaled, b, false, true)); // [N, r] [O, r]^T -> [N, O]
  });
}

/**
 * Gradient of {@link adaptedLinear} by its input and by the matrices of the adapter.
 *
 * @param x - Input of the layer; `[N, I]`.
 * @param dy - Gradient by the output of the layer; `[N, O]`.
 * @param weight - `[O, I]`.
 * @param sum - Added to `dx`, where several layers have one input; `[N, I]`. Not disposed.
 * @returns `dx [N, I]` and, with an adapter, `gradients`. The caller disposes them.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function adaptedLinearBackward(
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  weight: tf.Tensor2D,
  adapter: LinearAdapter | undefined,
  sum?: tf.Tensor2D,
): { dx: tf.Tensor2D; gradients?: LinearAdapterGradients } {
  if (!adapter) {
    const added = () => tf.add<tf.Tensor2D>(sum!, linearBackwardInput(dy, weight));
    return { dx: sum ? tf.tidy(added) : linearBackwardInput(dy, weight) };
  }
  const where = "adaptedLinearBackward";
  const sizes = checkLinearAdapter(where, x, weight, adapter);
  checkShape(where, "dy", dy, ["N", "O"], sizes);
  if (sum) checkShape(where, "sum", sum, ["N", "I"], sizes);
  const { a, b } = adapter;
  const fused =
    x.shape[0] > 1 &&
    runFused("SdmAdaptedLinearBackward", { x, dy, weight, a, b, sum }, attributes(x, adapter));
  const [dx, gradA, gradB] = fused || tf.tidy(() => composeBackward(x, dy, weight, adapter, sum));
  return { dx: dx as tf.Tensor2D, gradients: { a: gradA as tf.Tensor2D, b: gradB as tf.Tensor2D } };
}

function composeBackward(
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  weight: tf.Tensor2D,
  adapter: LinearAdapter,
  sum: tf.Tensor2D | undefined,
): [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D] {
  const { a, b, dropout } = adapter;
  const mask = dropout && (dropoutMask(x.shape, dropout) as tf.Tensor2D);
  const input = mask ? tf.mul<tf.Tensor2D>(x, mask) : x;
  const scaling = effectiveScaling(adapter);
  const dInner = tf.mul<tf.Tensor2D>(tf.matMul(dy, b), scaling); // [N, O] [O, r] -> [N, r]
  const inner = tf.mul<tf.Tensor2D>(tf.matMul(input, a, false, true), scaling); // [N, r]
  const dInput = tf.matMul<tf.Tensor2D>(dInner, a); // [N, r] [r, I] -> [N, I]
  const dx = tf.add<tf.Tensor2D>(linearBackwardInput(dy, weight), mask ? tf.mul(dInput, mask) : dInput);
  return [
    sum ? tf.add<tf.Tensor2D>(sum, dx) : dx,
    tf.matMul<tf.Tensor2D>(dInner, input, true), // [r, I]
    tf.matMul<tf.Tensor2D>(dy, inner, true), // [O, r]
  ];
}

function attributes(x: tf.Tensor2D, adapter: LinearAdapter): AdapterAttributes {
  const { dropout } = adapter;
  const scaling = effectiveScaling(adapter);
  return dropout ? { scaling, dropped: droppedPositions(x.size, dropout) } : { scaling };
}

function dropped(x: tf.Tensor2D, { dropout }: LinearAdapter): tf.Tensor2D {
  return dropout ? tf.mul<tf.Tensor2D>(x, dropoutMask(x.shape, dropout)) : x;
}

/** The scaling with the factor that makes up for what is dropped. */
function effectiveScaling({ scaling, dropout }: LinearAdapter): number {
  return dropout ? scaling / (1 - dropout.rate) : scaling;
}

function checkLinearAdapter(
  where: string,
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  { a, b }: LinearAdapter,
): Sizes {
  const sizes: Sizes = {};
  checkShape(where, "x", x, ["N", "I"], sizes);
  checkShape(where, "weight", weight, ["O", "I"], sizes);
  checkShape(where, "adapter.a", a, ["r", "I"], sizes);
  checkShape(where, "adapter.b", b, ["O", "r"], sizes);
  return sizes;
}

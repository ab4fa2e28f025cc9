import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";
import { dropoutMask, type Dropout } from "./dropout-mask.js";

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
 * `y + scaling * dropout(x) a^T b^T`.
 *
 * @param y - Output of the layer; `[N, O]`. Not disposed.
 * @param x - Input of the layer; `[N, I]`.
 * @returns `[N, O]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function addLinearAdapter(y: tf.Tensor2D, x: tf.Tensor2D, adapter: LinearAdapter): tf.Tensor2D {
  checkLinearAdapter("addLinearAdapter", x, y, adapter);
  return tf.tidy(() => {
    const inner = tf.matMul(dropped(x, adapter), adapter.a, false, true); // [N, I] [r, I]^T -> [N, r]
    const scaled = tf.mul<tf.Tensor2D>(inner, effectiveScaling(adapter));
    return tf.add<tf.Tensor2D>(y, tf.matMul(scaled, adapter.b, false, true)); // [N, r] [O, r]^T -> [N, O]
  });
}

/**
 * Gradients of the adapter's part of a layer by its input and its matrices.
 *
 * @param x - Input of the layer; `[N, I]`.
 * @param dy - Gradient by the output of the layer; `[N, O]`.
 * @returns `dx [N, I]`, to be added to that of the layer, and `gradients`. The caller disposes all three.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function linearAdapterBackward(
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  adapter: LinearAdapter,
): { dx: tf.Tensor2D; gradients: LinearAdapterGradients } {
  checkLinearAdapter("linearAdapterBackward", x, dy, adapter);
  const { a, b, dropout } = adapter;
  const { dx, gradA, gradB } = tf.tidy(() => {
    const mask = dropout && (dropoutMask(x.shape, dropout) as tf.Tensor2D);
    const input = mask ? tf.mul<tf.Tensor2D>(x, mask) : x;
    const scaling = effectiveScaling(adapter);
    const dInner = tf.mul<tf.Tensor2D>(tf.matMul(dy, b), scaling); // [N, O] [O, r] -> [N, r]
    const inner = tf.mul<tf.Tensor2D>(tf.matMul(input, a, false, true), scaling); // [N, r]
    const dInput = tf.matMul<tf.Tensor2D>(dInner, a); // [N, r] [r, I] -> [N, I]
    return {
      dx: mask ? tf.mul<tf.Tensor2D>(dInput, mask) : dInput,
      gradA: tf.matMul<tf.Tensor2D>(dInner, input, true), // [r, I]
      gradB: tf.matMul<tf.Tensor2D>(dy, inner, true), // [O, r]
    };
  });
  return { dx, gradients: { a: gradA, b: gradB } };
}

function dropped(x: tf.Tensor2D, { dropout }: LinearAdapter): tf.Tensor2D {
  return dropout ? tf.mul<tf.Tensor2D>(x, dropoutMask(x.shape, dropout)) : x;
}

/** The scaling with the factor that makes up for what is dropped. */
function effectiveScaling({ scaling, dropout }: LinearAdapter): number {
  return dropout ? scaling / (1 - dropout.rate) : scaling;
}

function checkLinearAdapter(where: string, x: tf.Tensor2D, y: tf.Tensor2D, { a, b }: LinearAdapter): void {
  const sizes = {};
  checkShape(where, "x", x, ["N", "I"], sizes);
  checkShape(where, "y", y, ["N", "O"], sizes);
  checkShape(where, "adapter.a", a, ["r", "I"], sizes);
  checkShape(where, "adapter.b", b, ["O", "r"], sizes);
}

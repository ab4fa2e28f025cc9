import {
  addLinearAdapter,
  linear,
  linearAdapterBackward,
  linearBackwardInput,
  type LinearAdapter,
  tf,
} from "@sdmprune/tensor";
import type { BlockObserver } from "./block.js";
import { reportAdapter, reportLinear } from "./report-weight.js";
import { TensorScope } from "./tensor-scope.js";

/** A linear layer as it is now. */
export interface LinearWeights {
  /** Shape `[O, I]`. */
  readonly weight: tf.Tensor2D;
  /** Shape `[O]`. */
  readonly bias?: tf.Tensor1D | undefined;
  readonly adapter?: LinearAdapter | undefined;
}

/** Output of a linear layer with its adapter, if it has one; `[N, I]` to `[N, O]`. The caller disposes it. */
export function linearLayer(x: tf.Tensor2D, { weight, bias, adapter }: LinearWeights): tf.Tensor2D {
  if (!adapter) return linear(x, weight, bias);
  return tf.tidy(() => addLinearAdapter(linear(x, weight, bias), x, adapter));
}

/**
 * Gradient of {@link linearLayer} by its input. Shows the observer the gradients of weight, bias and adapter that it wants.
 *
 * @param module - Checkpoint name of the layer, without `.weight`.
 * @param x - Shape `[N, I]`.
 * @param dy - Shape `[N, O]`.
 * @returns Shape `[N, I]`. The caller disposes it.
 */
export function linearLayerBackward(
  observer: BlockObserver | undefined,
  module: string,
  { weight, bias, adapter }: LinearWeights,
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
): tf.Tensor2D {
  reportLinear(observer, module, x, dy, bias !== undefined);
  if (!adapter) return linearBackwardInput(dy, weight);
  const scope = new TensorScope();
  try {
    const { dx, gradients } = linearAdapterBackward(x, dy, adapter);
    scope.ownAll({ dx, ...gradients });
    reportAdapter(observer, module, gradients.a, gradients.b);
    return tf.tidy(() => tf.add<tf.Tensor2D>(linearBackwardInput(dy, weight), dx));
  } finally {
    scope.dispose();
  }
}

import { adaptedLinear, adaptedLinearBackward, type LinearAdapter, type tf } from "@sdmprune/tensor";
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
  return adaptedLinear(x, weight, bias, adapter);
}

/**
 * Gradient of {@link linearLayer} by its input. Shows the observer the gradients of weight, bias and adapter that it wants.
 *
 * @param module - Checkpoint name of the layer, without `.weight`.
 * @param x - Shape `[N, I]`.
 * @param dy - Shape `[N, O]`.
 * @param sum - Added to the result, where several layers have one input; shape `[N, I]`. Not disposed.
 * @returns Shape `[N, I]`. The caller disposes it.
 */
export function linearLayerBackward(
  observer: BlockObserver | undefined,
  module: string,
  { weight, bias, adapter }: LinearWeights,
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  sum?: tf.Tensor2D,
): tf.Tensor2D {
  reportLinear(observer, module, x, dy, bias !== undefined);
  const { dx, gradients } = adaptedLinearBackward(x, dy, weight, adapter, sum);
  if (!gradients) return dx;
  const scope = new TensorScope();
  try {
    scope.ownAll({ dx, ...gradients });
    reportAdapter(observer, module, gradients.a, gradients.b);
    return scope.handOver(dx);
  } finally {
    scope.dispose();
  }
}

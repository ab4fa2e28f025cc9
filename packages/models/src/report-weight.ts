import { linearBackwardBias, linearBackwardWeight, type tf } from "@sdmprune/tensor";
import { adapterWeightName } from "./adapters.js";
import type { BlockObserver } from "./block.js";

/**
 * Computes the gradient of a parameter if the observer wants it, shows it, and frees it: no two weight
 * gradients of a pass are alive together.
 */
export function reportWeight(
  observer: BlockObserver | undefined,
  name: string,
  gradient: () => tf.Tensor,
): void {
  if (!observer?.weight || !observer.wantsWeight?.(name)) return;
  const tensor = gradient();
  try {
    observer.weight(name, tensor);
  } finally {
    tensor.dispose();
  }
}

/**
 * {@link reportWeight} for the weight and, if it has one, the bias of a linear layer.
 *
 * @param module - Checkpoint name without `.weight`.
 * @param x - Its input; shape `[N, I]`.
 * @param dy - Gradient with respect to its output; shape `[N, O]`.
 */
export function reportLinear(
  observer: BlockObserver | undefined,
  module: string,
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  hasBias: boolean,
): void {
  reportWeight(observer, `${module}.weight`, () => linearBackwardWeight(x, dy));
  if (hasBias) reportWeight(observer, `${module}.bias`, () => linearBackwardBias(dy));
}

/** Shows the observer the gradients of an adapter's matrices that it wants. They stay the caller's. */
export function reportAdapter(
  observer: BlockObserver | undefined,
  module: string,
  a: tf.Tensor2D,
  b: tf.Tensor2D,
): void {
  for (const [matrix, gradient] of [
    ["A", a],
    ["B", b],
  ] as const) {
    const name = adapterWeightName(module, matrix);
    if (observer?.weight && observer.wantsWeight?.(name)) observer.weight(name, gradient);
  }
}

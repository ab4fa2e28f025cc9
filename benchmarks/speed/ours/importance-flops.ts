import type { ModelShape } from "./shapes.js";

/** Neurons that the first stage of SDMPrune leaves. */
export function firstStageWidth({ intermediate }: Pick<ModelShape, "intermediate">): number {
  return Math.floor((39 * intermediate) / 40);
}

/**
 * Floating-point operations of both stages of SDMPrune. Per token and weight: 2 forward, 2 for the gradient of the
 * input, and in the MLPs 2 for that of the weight. Attention, of which half is masked: 2 products forward, and 5 back,
 * one of which computes the scores anew. The head: logits, their gradient, and in the second stage the teacher's logits.
 * Nothing is computed below the first layer's MLP on the way back, which is not taken off: 0.6 % at SmolLM2-135M's shape.
 */
export function importanceFlops(shape: ModelShape): number {
  const { samples, tokens: T, hidden: H, layers: L, heads, kvHeads, headDim: D, vocab: V } = shape;
  const projections = 2 * H * (heads + kvHeads) * D; // q, o, k, v
  const attention = 7 * T * heads * D; // per token: a product is 2 T N D, half of it masked
  const layer = (width: number): number => 4 * projections + 6 * 3 * H * width + attention;
  const widths = [shape.intermediate, firstStageWidth(shape)];
  const layers = widths.reduce((sum, width) => sum + L * layer(width), 0);
  return samples * T * (layers + (4 + 6) * V * H);
}

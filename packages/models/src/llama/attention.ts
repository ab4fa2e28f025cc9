import {
  causalAttention,
  causalAttentionBackward,
  rotary,
  rotaryBackward,
  segmentedAttention,
  segmentedAttentionBackward,
  tf,
} from "@sdmprune/tensor";
import type { BlockObserver } from "../block.js";
import { linearLayer, linearLayerBackward, type LinearWeights } from "../linear-layer.js";
import { TensorScope } from "../tensor-scope.js";
import type { LlamaBlockWeights } from "./block-weights.js";
import type { LlamaConfig } from "./config.js";
import type { LlamaSequence } from "./sequence.js";
import { llamaModuleName } from "./weights.js";

/** What the backward pass of {@link attention} needs besides its input. */
export type AttentionSaved = {
  /** Rotated queries; shape `[B, T, heads, D]`. */
  readonly q: tf.Tensor4D;
  /** Rotated keys; shape `[B, T, kv heads, D]`. */
  readonly k: tf.Tensor4D;
  /** Shape `[B, T, kv heads, D]`. */
  readonly v: tf.Tensor4D;
  /** Input of o_proj; shape `[N, heads * D]`. */
  readonly mixed: tf.Tensor2D;
};

type ProjectionWeights = Pick<LlamaBlockWeights, "q" | "k" | "v" | "o">;

/**
 * Causal self-attention with grouped queries and rotary positions. Reads and extends the context's cache.
 *
 * @param x - Normalised input; shape `[N, H]`.
 * @returns Output of o_proj, `[N, H]`, and what {@link attentionBackward} needs. The caller disposes all.
 */
export function attention(
  config: LlamaConfig,
  weights: ProjectionWeights,
  layer: number,
  x: tf.Tensor2D,
  context: LlamaSequence,
): { output: tf.Tensor2D; saved: AttentionSaved } {
  return tf.tidy(() => {
    const { batch, length, tables, attentionBias, cache, segments } = context;
    const { numAttentionHeads, numKeyValueHeads, headDim } = config;
    const heads = (projection: LinearWeights, count: number): tf.Tensor4D =>
      tf.reshape(linearLayer(x, projection), [batch, length, count, headDim]); // [N, count*D] -> [B, T, count, D]
    const q = rotary(heads(weights.q, numAttentionHeads), tables);
    const k = rotary(heads(weights.k, numKeyValueHeads), tables);
    const v = heads(weights.v, numKeyValueHeads);
    const all = cache ? cache.append(layer, k, v) : { k, v };
    const scale = headDim ** -0.5;
    const attended = segments
      ? segmentedAttention(q, k, v, segments, { scale })
      : causalAttention(q, all.k, all.v, { scale, bias: attentionBias });
    const mixed = tf.reshape<tf.Rank.R2>(attended, [batch * length, numAttentionHeads * headDim]);
    return { output: linearLayer(mixed, weights.o), saved: { q, k, v, mixed } };
  });
}

/**
 * Gradient of {@link attention} without a cache.
 *
 * @param dy - Gradient with respect to the output; shape `[N, H]`.
 * @returns Gradient with respect to `x`; shape `[N, H]`. The caller disposes it.
 */
export function attentionBackward(
  config: LlamaConfig,
  weights: ProjectionWeights,
  layer: number,
  x: tf.Tensor2D,
  saved: AttentionSaved,
  dy: tf.Tensor2D,
  context: LlamaSequence,
  observer?: BlockObserver,
): tf.Tensor2D {
  const { q, k, v, mixed } = saved;
  const through = (
    name: "q" | "k" | "v" | "o",
    input: tf.Tensor2D,
    gradient: tf.Tensor2D,
    sum?: tf.Tensor2D,
  ): tf.Tensor2D => {
    const module = llamaModuleName(layer, `self_attn.${name}_proj`);
    return linearLayerBackward(observer, module, weights[name], input, gradient, sum);
  };
  const scope = new TensorScope();
  try {
    const dMixed = scope.own(through("o", mixed, dy));
    const grads = scope.ownAll(
      tf.tidy(() => {
        const { tables, segments, attentionBias: bias } = context;
        const scale = config.headDim ** -0.5;
        const attended = tf.reshape<tf.Rank.R4>(mixed, q.shape); // [N, heads*D] -> [B, T, heads, D]
        const dAttended = tf.reshape<tf.Rank.R4>(dMixed, q.shape);
        const { dq, dk, dv } = segments
          ? segmentedAttentionBackward(q, k, v, attended, dAttended, segments, { scale })
          : causalAttentionBackward(q, k, v, attended, dAttended, { scale, bias });
        return { q: rows(rotaryBackward(dq, tables)), k: rows(rotaryBackward(dk, tables)), v: rows(dv) };
      }),
    );
    scope.free(dMixed);
    const dq = scope.own(through("q", x, grads.q));
    const dqk = scope.own(through("k", x, grads.k, dq));
    return through("v", x, grads.v, dqk);
  } finally {
    scope.dispose();
  }
}

/** `[B, T, heads, D] -> [N, heads*D]` */
function rows(x: tf.Tensor4D): tf.Tensor2D {
  const [batch, length, heads, headDim] = x.shape;
  return tf.reshape(x, [batch * length, heads * headDim]);
}

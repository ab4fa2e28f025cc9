import {
  causalAttention,
  causalAttentionBackward,
  linear,
  linearBackwardInput,
  rotary,
  rotaryBackward,
  segmentedAttention,
  tf,
} from "@sdmprune/tensor";
import type { BlockObserver } from "../block.js";
import { reportLinear } from "../report-weight.js";
import { TensorScope } from "../tensor-scope.js";
import type { LinearWeights, LlamaBlockWeights } from "./block-weights.js";
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
    const heads = ({ weight, bias }: LinearWeights, count: number): tf.Tensor4D =>
      tf.reshape(linear(x, weight, bias), [batch, length, count, headDim]); // [N, count*D] -> [B, T, count, D]
    const q = rotary(heads(weights.q, numAttentionHeads), tables);
    const k = rotary(heads(weights.k, numKeyValueHeads), tables);
    const v = heads(weights.v, numKeyValueHeads);
    const all = cache ? cache.append(layer, k, v) : { k, v };
    const scale = headDim ** -0.5;
    const attended = segments
      ? segmentedAttention(q, k, v, segments, { scale })
      : causalAttention(q, all.k, all.v, { scale, bias: attentionBias });
    const mixed = tf.reshape<tf.Rank.R2>(attended, [batch * length, numAttentionHeads * headDim]);
    return { output: linear(mixed, weights.o.weight, weights.o.bias), saved: { q, k, v, mixed } };
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
  const scope = new TensorScope();
  try {
    const grads = scope.ownAll(
      tf.tidy(() => {
        const dMixed = linearBackwardInput(dy, weights.o.weight);
        const dAttended = tf.reshape<tf.Rank.R4>(dMixed, q.shape); // [N, heads*D] -> [B, T, heads, D]
        const { dq, dk, dv } = causalAttentionBackward(q, k, v, dAttended, {
          scale: config.headDim ** -0.5,
          bias: context.attentionBias,
        });
        return {
          q: rows(rotaryBackward(dq, context.tables)),
          k: rows(rotaryBackward(dk, context.tables)),
          v: rows(dv),
        };
      }),
    );
    const report = (name: "q" | "k" | "v" | "o", input: tf.Tensor2D, gradient: tf.Tensor2D): void =>
      reportLinear(
        observer,
        llamaModuleName(layer, `self_attn.${name}_proj`),
        input,
        gradient,
        config.attentionBias,
      );
    report("o", mixed, dy);
    report("q", x, grads.q);
    report("k", x, grads.k);
    report("v", x, grads.v);
    return tf.tidy(() =>
      tf.addN([
        linearBackwardInput(grads.q, weights.q.weight),
        linearBackwardInput(grads.k, weights.k.weight),
        linearBackwardInput(grads.v, weights.v.weight),
      ]),
    );
  } finally {
    scope.dispose();
  }
}

/** `[B, T, heads, D] -> [N, heads*D]` */
function rows(x: tf.Tensor4D): tf.Tensor2D {
  const [batch, length, heads, headDim] = x.shape;
  return tf.reshape(x, [batch * length, heads * headDim]);
}

import { ShapeError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { runFused } from "../fused-kernels.js";

export interface CausalAttentionOptions {
  /** Factor of the scores, usually `1 / sqrt(D)`. */
  scale: number;
  /**
   * Added to the scores before the softmax; rank 4, broadcastable to `[B, Nq, T, S]`. Use it for padding, packed
   * segments, a sliding window (large negative values, such as -1e9) or alibi. Treated as a constant: it has no gradient.
   */
  bias?: tf.Tensor4D | undefined;
}

/** Hides a key: finite, so that a row hidden by a bias as well stays a number; its exponential is exactly 0. */
const HIDDEN = -1e30;

/**
 * Causal attention with grouped heads (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245). Query `i` stands at
 * position `S - T + i` and sees the keys up to there, so that keys of a cache may come before the queries. Query head
 * `h` reads key/value head `floor(h / (Nq / Nkv))`.
 *
 * Shapes: `B` = batch, `T` = queries, `S` = keys, `Nq`, `Nkv` = heads, `D` = head size; float32.
 *
 * @param q - `[B, T, Nq, D]`.
 * @param k - `[B, S, Nkv, D]`.
 * @param v - `[B, S, Nkv, D]`.
 * @returns `[B, T, Nq, D]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit, `S < T`, or `Nkv` does not divide `Nq`.
 */
export function causalAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  { scale, bias }: CausalAttentionOptions,
): tf.Tensor4D {
  const sizes = checkAttention("causalAttention", q, k, v, bias);
  const fused = runFused("SdmCausalAttention", { q, k, v, bias }, { scale });
  if (fused) return fused as tf.Tensor4D;
  return tf.tidy(() => {
    const p = attentionWeights(groupQueries(q, sizes), splitHeads(k), scale, bias, sizes);
    return ungroupQueries(tf.matMul(p, splitHeads(v)), sizes);
  });
}

export interface CausalAttentionGradients {
  /** `[B, T, Nq, D]` */
  dq: tf.Tensor4D;
  /** `[B, S, Nkv, D]` */
  dk: tf.Tensor4D;
  /** `[B, S, Nkv, D]` */
  dv: tf.Tensor4D;
}

/**
 * Gradient of {@link causalAttention} by queries, keys and values. The attention weights are computed anew, and their
 * softmax's part of the gradient follows from `out` (FlashAttention, https://arxiv.org/abs/2205.14135, section B.4).
 *
 * @param q - `[B, T, Nq, D]`.
 * @param k - `[B, S, Nkv, D]`.
 * @param v - `[B, S, Nkv, D]`.
 * @param out - What {@link causalAttention} gave; `[B, T, Nq, D]`.
 * @param dOut - Gradient by `out`; `[B, T, Nq, D]`.
 * @returns Three tensors, which the caller disposes.
 * @throws {ShapeError} If the shapes do not fit, `S < T`, or `Nkv` does not divide `Nq`.
 */
export function causalAttentionBackward(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  out: tf.Tensor4D,
  dOut: tf.Tensor4D,
  { scale, bias }: CausalAttentionOptions,
): CausalAttentionGradients {
  const sizes = checkAttention("causalAttentionBackward", q, k, v, bias);
  checkShape("causalAttentionBackward", "out", out, ["B", "T", "Nq", "D"], { ...sizes });
  checkShape("causalAttentionBackward", "dOut", dOut, ["B", "T", "Nq", "D"], { ...sizes });
  const fused = runFused("SdmCausalAttentionBackward", { q, k, v, out, dOut, bias }, { scale });
  if (fused) {
    const [dq, dk, dv] = fused as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    return { dq, dk, dv };
  }
  return tf.tidy(() => {
    const queries = groupQueries(q, sizes); // [B*Nkv, G*T, D]
    const keys = splitHeads(k); // [B*Nkv, S, D]
    const dOutput = groupQueries(dOut, sizes);
    const p = attentionWeights(queries, keys, scale, bias, sizes); // [B*Nkv, G*T, S]
    const dP = tf.matMul(dOutput, splitHeads(v), false, true);
    const mean = tf.sum(tf.mul(groupQueries(out, sizes), dOutput), 2, true); // sum_j p_j dP_j
    const dScore = tf.mul(tf.mul(p, tf.sub(dP, mean)), scale);
    return {
      dq: ungroupQueries(tf.matMul(dScore, keys), sizes),
      dk: joinHeads(tf.matMul(dScore, queries, true), sizes), // sums over the group's heads too
      dv: joinHeads(tf.matMul(p, dOutput, true), sizes),
    };
  });
}

interface AttentionSizes extends Sizes {
  B: number;
  T: number;
  S: number;
  Nq: number;
  Nkv: number;
  D: number;
}

function checkAttention(
  where: string,
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  bias: tf.Tensor4D | undefined,
): AttentionSizes {
  const sizes: Sizes = {};
  checkShape(where, "q", q, ["B", "T", "Nq", "D"], sizes);
  checkShape(where, "k", k, ["B", "S", "Nkv", "D"], sizes);
  checkShape(where, "v", v, ["B", "S", "Nkv", "D"], sizes);
  const { B, T, S, Nq, Nkv } = sizes as AttentionSizes;
  if (S < T) throw new ShapeError(`${where}: k must hold at least the T=${T} keys of q, got S=${S}.`);
  if (Nq % Nkv !== 0) {
    throw new ShapeError(`${where}: num_key_value_heads (${Nkv}) must divide num_attention_heads (${Nq}).`);
  }
  const full = [B, Nq, T, S];
  if (bias && !(bias.rank === 4 && bias.shape.every((size, axis) => size === 1 || size === full[axis]))) {
    throw new ShapeError(
      `${where}: bias must be broadcastable to [B, Nq, T, S] = [${full.join(", ")}], got [${bias.shape.join(", ")}].`,
    );
  }
  return sizes as AttentionSizes;
}

/** `softmax(scale * queries keys^T + bias)` over the visible keys; `[B*Nkv, G*T, S]`. */
function attentionWeights(
  queries: tf.Tensor3D,
  keys: tf.Tensor3D,
  scale: number,
  bias: tf.Tensor4D | undefined,
  { B, T, S, Nq, Nkv }: AttentionSizes,
): tf.Tensor3D {
  const raw = tf.mul(tf.matMul(queries, keys, false, true), scale);
  let scores = tf.reshape(raw, [B, Nq, T, S]); // [B*Nkv, G*T, S] -> [B, Nkv*G, T, S]
  if (bias) scores = tf.add(scores, bias);
  if (T > 1) scores = tf.add(scores, causalMask(T, S));
  return tf.reshape(tf.softmax(scores), [B * Nkv, (Nq / Nkv) * T, S]);
}

/** 0 where query `i` sees key `j`, else {@link HIDDEN}; `[T, S]`. */
function causalMask(T: number, S: number): tf.Tensor2D {
  const queries = tf.reshape(tf.range(S - T, S), [T, 1]);
  const keys = tf.reshape(tf.range(0, S), [1, S]);
  return tf.mul(tf.cast(tf.greater(keys, queries), "float32"), HIDDEN);
}

/** `[B, T, Nkv*G, D] -> [B*Nkv, G*T, D]`: the query heads that share keys lie together. */
function groupQueries(q: tf.Tensor4D, { B, T, Nq, Nkv, D }: AttentionSizes): tf.Tensor3D {
  return tf.reshape(tf.transpose(q, [0, 2, 1, 3]), [B * Nkv, (Nq / Nkv) * T, D]);
}

/** The way back of {@link groupQueries}. */
function ungroupQueries(x: tf.Tensor3D, { B, T, Nq, D }: AttentionSizes): tf.Tensor4D {
  return tf.transpose(tf.reshape(x, [B, Nq, T, D]), [0, 2, 1, 3]);
}

/** `[B, S, Nkv, D] -> [B*Nkv, S, D]`. */
function splitHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [B, S, Nkv, D] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B * Nkv, S, D]);
}

/** The way back of {@link splitHeads}. */
function joinHeads(x: tf.Tensor3D, { B, S, Nkv, D }: AttentionSizes): tf.Tensor4D {
  return tf.transpose(tf.reshape(x, [B, Nkv, S, D]), [0, 2, 1, 3]);
}

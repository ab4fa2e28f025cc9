import { ShapeError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { runFused, type SegmentView, type TokenRange } from "../fused-kernels.js";
import {
  causalAttention,
  causalAttentionBackward,
  type CausalAttentionGradients,
} from "./causal-attention.js";

/** Consecutive tokens of a packed sequence that see each other and one chain of earlier segments, nothing else. */
export interface AttentionSegment {
  readonly length: number;
  /** Index of the earlier segment that this one continues; it sees that and all that comes before it in turn. */
  readonly after?: number | undefined;
}

/**
 * Causal attention over many sequences packed into one, without padding. Segments form trees: several may continue the
 * same one, so that what sequences have in common is computed once. Each segment is attended to by itself, over
 * exactly its own keys and those before it in its chain: a token's result does not depend on what else is packed.
 *
 * Shapes: `N` = tokens of all segments, one after another, `Nq`, `Nkv` = heads, `D` = head size; float32.
 *
 * @param q - `[1, N, Nq, D]`.
 * @param k - `[1, N, Nkv, D]`.
 * @param v - `[1, N, Nkv, D]`.
 * @returns `[1, N, Nq, D]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit, the lengths do not sum to `N`, or `after` is no earlier segment.
 */
export function segmentedAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  segments: readonly AttentionSegment[],
  { scale }: { scale: number },
): tf.Tensor4D {
  const { N } = checkSegmented("segmentedAttention", q, k, v);
  const views = segmentViews(segments, N!);
  const fused = runFused("SdmSegmentedAttention", { q, k, v }, { scale, segments: views });
  if (fused) return fused as tf.Tensor4D;
  return tf.tidy(() => {
    const parts = views.map(({ own, seen }) =>
      causalAttention(tokens(q, [own]), tokens(k, seen), tokens(v, seen), { scale }),
    );
    return joined(parts);
  });
}

/**
 * Gradient of {@link segmentedAttention} by queries, keys and values, segment by segment.
 *
 * @param out - What {@link segmentedAttention} gave; `[1, N, Nq, D]`.
 * @param dOut - Gradient by `out`; `[1, N, Nq, D]`.
 * @returns Three tensors, which the caller disposes.
 * @throws {ShapeError} As {@link segmentedAttention}.
 */
export function segmentedAttentionBackward(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  out: tf.Tensor4D,
  dOut: tf.Tensor4D,
  segments: readonly AttentionSegment[],
  { scale }: { scale: number },
): CausalAttentionGradients {
  const where = "segmentedAttentionBackward";
  const sizes = checkSegmented(where, q, k, v);
  checkShape(where, "out", out, [1, "N", "Nq", "D"], sizes);
  checkShape(where, "dOut", dOut, [1, "N", "Nq", "D"], sizes);
  const views = segmentViews(segments, sizes["N"]!);
  return tf.tidy(() => {
    const dq: tf.Tensor4D[] = [];
    // A segment's keys are seen by itself and by those that continue it: what each of them adds.
    const dk: tf.Tensor4D[][] = views.map(() => []);
    const dv: tf.Tensor4D[][] = views.map(() => []);
    for (const [i, { own, seen }] of views.entries()) {
      const gradients = causalAttentionBackward(
        tokens(q, [own]),
        tokens(k, seen),
        tokens(v, seen),
        tokens(out, [own]),
        tokens(dOut, [own]),
        { scale },
      );
      dq.push(gradients.dq);
      let start = 0;
      for (const segment of chain(segments, i)) {
        const end = start + segments[segment]!.length;
        dk[segment]!.push(tokens(gradients.dk, [[start, end]]));
        dv[segment]!.push(tokens(gradients.dv, [[start, end]]));
        start = end;
      }
    }
    const total = (parts: tf.Tensor4D[][]): tf.Tensor4D =>
      joined(parts.map((added) => (added.length === 1 ? added[0]! : tf.addN(added))));
    return { dq: joined(dq), dk: total(dk), dv: total(dv) };
  });
}

function checkSegmented(where: string, q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): Sizes {
  const sizes: Sizes = {};
  checkShape(where, "q", q, [1, "N", "Nq", "D"], sizes);
  checkShape(where, "k", k, [1, "N", "Nkv", "D"], sizes);
  checkShape(where, "v", v, [1, "N", "Nkv", "D"], sizes);
  return sizes;
}

/** The segments that segment `index` sees, the first one first and itself last. */
function chain(segments: readonly AttentionSegment[], index: number): number[] {
  const { after } = segments[index]!;
  return after === undefined ? [index] : [...chain(segments, after), index];
}

function joined(parts: tf.Tensor4D[]): tf.Tensor4D {
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
}

function segmentViews(segments: readonly AttentionSegment[], numTokens: number): SegmentView[] {
  const views: SegmentView[] = [];
  let start = 0;
  for (const [i, { length, after }] of segments.entries()) {
    if (!Number.isSafeInteger(length) || length < 1) {
      throw new ShapeError(`segmentedAttention: segment ${i} must have at least one token, got ${length}.`);
    }
    const before = after === undefined ? [] : views[after]?.seen;
    if (!before) {
      throw new ShapeError(`segmentedAttention: segment ${i} must come after an earlier one, got ${after}.`);
    }
    const own: TokenRange = [start, start + length];
    views.push({ own, seen: append(before, own) });
    start += length;
  }
  if (start !== numTokens) {
    throw new ShapeError(`segmentedAttention: segments must cover N=${numTokens} tokens, got ${start}.`);
  }
  return views;
}

/** One more run, joined to the last where it follows directly. */
function append(ranges: readonly TokenRange[], next: TokenRange): TokenRange[] {
  const last = ranges.at(-1);
  return last?.[1] === next[0] ? [...ranges.slice(0, -1), [last[0], next[1]]] : [...ranges, next];
}

/** `[1, N, heads, D]` -> the tokens of the ranges, `[1, n, heads, D]`. */
function tokens(x: tf.Tensor4D, ranges: readonly TokenRange[]): tf.Tensor4D {
  const parts = ranges.map(([start, end]) => tf.slice4d(x, [0, start, 0, 0], [-1, end - start, -1, -1]));
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
}

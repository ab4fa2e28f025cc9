import type { TensorInfo } from "@tensorflow/tfjs-core";
import { integers } from "../kernels/reduction.js";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import type { TensorView } from "../runtime/program.js";

// What both directions of attention share: blocks of queries, their parts of the tensors, and what a block does not see.

/** Added to the scores of keys that a query does not see: finite, and its exponential is exactly 0. */
const HIDDEN = -1e30;

export type AttentionInputs = { q: TensorInfo; k: TensorInfo; v: TensorInfo; bias?: TensorInfo };

export type Floats = ReturnType<OnnxBackend["values"]>;

export interface AttentionSizes {
  B: number;
  T: number;
  S: number;
  /** Key/value heads. */
  heads: number;
  /** Query heads that share one of them. */
  group: number;
  D: number;
}

/** Queries `from` to `to` of batch row `b`, which see the first `keys` keys. */
export interface Block {
  b: number;
  from: number;
  to: number;
  keys: number;
}

export function sizesOf({ q, k }: Pick<AttentionInputs, "q" | "k">): AttentionSizes {
  const [B, T, numQueryHeads, D] = q.shape as [number, number, number, number];
  const [, S, heads] = k.shape as [number, number, number, number];
  return { B, T, S, heads, group: numQueryHeads / heads, D };
}

/**
 * All queries, in blocks of about equal size and of `queriesOfBlock` at most. All blocks but the last of a batch row have a
 * multiple of `multiple` queries, where `queriesOfBlock` leaves room for it.
 */
export function blocks({ B, T, S }: AttentionSizes, queriesOfBlock: number, multiple = 1): Block[] {
  const perRow = Math.ceil(T / queriesOfBlock);
  const size = Math.min(queriesOfBlock, Math.ceil(T / perRow / multiple) * multiple);
  const result: Block[] = [];
  for (let b = 0; b < B; b++) {
    for (let from = 0; from < T; from += size) {
      const to = Math.min(from + size, T);
      result.push({ b, from, to, keys: S - T + to });
    }
  }
  return result;
}

/** A block's queries, or what else has their shape; `[rows, heads, group, D]`. */
export function queries(
  values: Floats,
  { T, heads, group, D }: AttentionSizes,
  { b, from, to }: Block,
): TensorView & { data: Floats } {
  const width = heads * group * D;
  return {
    data: values.subarray((b * T + from) * width, (b * T + to) * width),
    dims: [to - from, heads, group, D],
  };
}

/** The keys or values that a block sees; `[keys, heads, D]`. */
export function keys(
  values: Floats,
  { S, heads, D }: AttentionSizes,
  { b, keys }: Block,
): TensorView & { data: Floats } {
  const width = heads * D;
  return { data: values.subarray(b * S * width, (b * S + keys) * width), dims: [keys, heads, D] };
}

/** The inputs of {@link causalMask}. */
export function maskInputs({ from, to, keys: numKeys }: Block): TensorView[] {
  const rows = to - from;
  return [integers([rows, numKeys]), { data: BigInt64Array.of(BigInt(numKeys - rows + 1)), dims: [] }];
}

/** 0 for the keys that a query sees, {@link HIDDEN} for the others; `[rows, keys]`. */
export function causalMask(g: GraphBuilder): GraphValue {
  const [shape, firstHidden] = [g.input("int64"), g.input("int64")];
  return g.op("Trilu", [g.op("Expand", [g.scalar(HIDDEN), shape]), firstHidden], { upper: 1 });
}

/** The inputs of {@link slicedBias}. */
export function biasInputs(
  backend: OnnxBackend,
  bias: TensorInfo,
  { b, from, to, keys: numKeys }: Block,
): TensorView[] {
  const [batch, biasHeads, biasRows, biasKeys] = bias.shape as [number, number, number, number];
  const width = biasHeads * biasRows * biasKeys;
  const start = batch === 1 ? 0 : b * width;
  return [
    { data: backend.values(bias).subarray(start, start + width), dims: [biasHeads, biasRows, biasKeys] },
    integers([biasRows === 1 ? 0 : from, 0]),
    integers([biasRows === 1 ? 1 : to, biasKeys === 1 ? 1 : numKeys]),
  ];
}

/** A block's part of the bias; its inputs are those of {@link biasInputs}. */
export function slicedBias(g: GraphBuilder): GraphValue {
  const [bias, starts, ends] = [g.input("float32"), g.input("int64"), g.input("int64")];
  return g.op("Slice", [bias, starts, ends, g.integers(1, 2)]);
}

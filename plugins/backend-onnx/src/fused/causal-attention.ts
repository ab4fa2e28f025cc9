import type { SegmentView, TokenRange } from "@sdmprune/tensor";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program, type Program, type TensorView } from "../runtime/program.js";

/**
 * Forward, the queries of a block: never `[heads, T, S]` for long sequences. Blocks also leave out the keys that none of
 * their queries sees, which is nearly half of them. Half and twice as many are no faster.
 */
const BLOCK_QUERIES = 64;

/** Up to this many scores of all heads, waking another thread takes longer than what it would do. */
const SCORES_OF_ONE_THREAD = 1 << 16;

/**
 * Backward, the scores held at a time, for all heads and a block of queries. Up to eight times as many are a few per cent
 * slower, as long as {@link ENOUGH_QUERIES} fit.
 */
const BLOCK_SCORES = 1 << 18;

/** Every block costs a pass over the keys it sees and, backward, over their gradients: blocks should not be narrower. */
const ENOUGH_QUERIES = 64;

/** Scores held at most to have {@link ENOUGH_QUERIES} in a block. */
const MAX_BLOCK_SCORES = 1 << 22;

/** Added to the scores of keys that a query does not see: finite, and its exponential is exactly 0. */
const HIDDEN = -1e30;

type Inputs = { q: TensorInfo; k: TensorInfo; v: TensorInfo; bias?: TensorInfo };

interface Sizes {
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
interface Block {
  b: number;
  from: number;
  to: number;
  keys: number;
}

/** Attention of every query to the keys up to its position. */
export const causalAttentionKernel = nativeKernel<Inputs, { scale: number }>(
  "SdmCausalAttention",
  "graph",
  ({ inputs, attrs: { scale }, backend }) => {
    const sizes = sizesOf(inputs);
    const { tensor, values } = backend.allocate(inputs.q.shape, "float32");
    const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((t) => backend.values(t)) as [
      Floats,
      Floats,
      Floats,
    ];
    for (const block of blocks(sizes, BLOCK_QUERIES)) {
      attend(
        sizes,
        scale,
        [queries(q, sizes, block), keys(k, sizes, block), keys(v, sizes, block)],
        queries(values, sizes, block),
        inputs.bias && biasInputs(backend, inputs.bias, block),
      );
    }
    return tensor;
  },
);

/** Attention of every segment's own tokens to those that it sees. */
export const segmentedAttentionKernel = nativeKernel<
  { q: TensorInfo; k: TensorInfo; v: TensorInfo },
  { scale: number; segments: readonly SegmentView[] }
>("SdmSegmentedAttention", "graph", ({ inputs, attrs: { scale, segments }, backend }) => {
  const { heads, group, D } = sizesOf(inputs);
  const { tensor, values } = backend.allocate(inputs.q.shape, "float32");
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((t) => backend.values(t)) as [Floats, Floats, Floats];
  const numSeen = segments.map(({ seen }) => seen.reduce((sum, [start, end]) => sum + end - start, 0));
  const joined = backend.allocate([2, Math.max(...numSeen), heads * D], "float32"); // keys, and values
  const [kJoined, vJoined] = halves(joined.values);
  for (const [i, { own, seen }] of segments.entries()) {
    const sizes = { B: 1, T: own[1] - own[0], S: numSeen[i]!, heads, group, D };
    const [qOwn, outOwn] = [q, values].map((data) => runOf(data, heads * group * D, own)) as [Floats, Floats];
    const kSeen = runsOf(k, heads * D, seen, kJoined);
    const vSeen = runsOf(v, heads * D, seen, vJoined);
    for (const block of blocks(sizes, BLOCK_QUERIES)) {
      attend(
        sizes,
        scale,
        [queries(qOwn, sizes, block), keys(kSeen, sizes, block), keys(vSeen, sizes, block)],
        queries(outOwn, sizes, block),
      );
    }
  }
  backend.disposeIntermediateTensorInfo(joined.tensor);
  return tensor;
});

function halves(values: Floats): [Floats, Floats] {
  return [values.subarray(0, values.length / 2), values.subarray(values.length / 2)];
}

/** The values of a run of tokens, `width` each. */
function runOf(values: Floats, width: number, [start, end]: TokenRange): Floats {
  return values.subarray(start * width, end * width);
}

/** The values of several runs one after another: in place if it is one, else copied to `target`. */
function runsOf(values: Floats, width: number, ranges: readonly TokenRange[], target: Floats): Floats {
  if (ranges.length === 1) return runOf(values, width, ranges[0]!);
  let length = 0;
  for (const range of ranges) {
    const run = runOf(values, width, range);
    target.set(run, length);
    length += run.length;
  }
  return target.subarray(0, length);
}

/** Gradient of it by queries, keys and values; the attention weights are computed anew. */
export const causalAttentionBackwardKernel = nativeKernel<Inputs & { dOut: TensorInfo }, { scale: number }>(
  "SdmCausalAttentionBackward",
  "graph",
  ({ inputs, attrs: { scale }, backend }) => {
    const sizes = sizesOf(inputs);
    const p = backwardProgram(scale, inputs.bias !== undefined);
    const dOut = backend.values(inputs.dOut);
    const dq = backend.allocate(inputs.q.shape, "float32");
    const dk = backend.allocate(inputs.k.shape, "float32");
    const dv = backend.allocate(inputs.v.shape, "float32");
    const part = {
      k: backend.allocate([sizes.S, sizes.heads, sizes.D], "float32"),
      v: backend.allocate([sizes.S, sizes.heads, sizes.D], "float32"),
    };
    // The last block of a batch row sees all keys: it comes first and sets what the others add to.
    for (const block of blocks(sizes, backwardQueries(sizes)).reverse()) {
      const isFirst = block.to === sizes.T;
      const own = { k: keys(dk.values, sizes, block), v: keys(dv.values, sizes, block) };
      const shared = {
        k: keys(part.k.values, sizes, { ...block, b: 0 }),
        v: keys(part.v.values, sizes, { ...block, b: 0 }),
      };
      const target = isFirst ? own : shared;
      p.run(
        [...blockInputs(backend, inputs, sizes, block), queries(dOut, sizes, block)],
        [queries(dq.values, sizes, block), target.k, target.v],
      );
      if (!isFirst) {
        addTo(own.k.data, shared.k.data);
        addTo(own.v.data, shared.v.data);
      }
    }
    for (const { tensor } of Object.values(part)) backend.disposeIntermediateTensorInfo(tensor);
    return [dq.tensor, dk.tensor, dv.tensor];
  },
);

function sizesOf({ q, k }: Inputs): Sizes {
  const [B, T, numQueryHeads, D] = q.shape as [number, number, number, number];
  const [, S, heads] = k.shape as [number, number, number, number];
  return { B, T, S, heads, group: numQueryHeads / heads, D };
}

function backwardQueries({ S, heads, group }: Sizes): number {
  const fittingIn = (numScores: number) => Math.max(1, Math.floor(numScores / (heads * group * S)));
  return Math.max(fittingIn(BLOCK_SCORES), Math.min(ENOUGH_QUERIES, fittingIn(MAX_BLOCK_SCORES)));
}

function blocks({ B, T, S }: Sizes, queriesOfBlock: number): Block[] {
  const perRow = Math.ceil(T / queriesOfBlock);
  const size = Math.ceil(T / perRow);
  const result: Block[] = [];
  for (let b = 0; b < B; b++) {
    for (let from = 0; from < T; from += size) {
      const to = Math.min(from + size, T);
      result.push({ b, from, to, keys: S - T + to });
    }
  }
  return result;
}

type Floats = ReturnType<OnnxBackend["values"]>;

function queries(
  values: Floats,
  { T, heads, group, D }: Sizes,
  { b, from, to }: Block,
): TensorView & { data: Floats } {
  const width = heads * group * D;
  return {
    data: values.subarray((b * T + from) * width, (b * T + to) * width),
    dims: [to - from, heads, group, D],
  };
}

function keys(values: Floats, { S, heads, D }: Sizes, { b, keys }: Block): TensorView & { data: Floats } {
  const width = heads * D;
  return { data: values.subarray(b * S * width, (b * S + keys) * width), dims: [keys, heads, D] };
}

function blockInputs(
  backend: OnnxBackend,
  { q, k, v, bias }: Inputs,
  sizes: Sizes,
  block: Block,
): TensorView[] {
  const { heads, group, D } = sizes;
  const { from, to, keys: numKeys } = block;
  const rows = to - from;
  const inputs: TensorView[] = [
    queries(backend.values(q), sizes, block),
    keys(backend.values(k), sizes, block),
    keys(backend.values(v), sizes, block),
    integers([heads, group * rows, D]),
    integers([heads * group, rows, numKeys]),
    integers([heads, group * rows, numKeys]),
    integers([heads, group, rows, D]),
    integers([rows, numKeys]),
    { data: BigInt64Array.of(BigInt(numKeys - rows + 1)), dims: [] },
  ];
  if (bias) inputs.push(...biasInputs(backend, bias, block));
  return inputs;
}

function biasInputs(
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

/** What the backward pass begins with. */
interface Weights {
  /** `[heads, group * rows, D]` */
  q: GraphValue;
  /** `[heads, keys, D]` */
  k: GraphValue;
  v: GraphValue;
  /** `[heads, group * rows, keys]` */
  p: GraphValue;
  /** `[rows, heads, group, D] -> [heads, group * rows, D]` and back. */
  grouped(x: GraphValue): GraphValue;
  ungrouped(x: GraphValue): GraphValue;
}

function attentionWeights(g: GraphBuilder, scale: number, hasBias: boolean): Weights {
  const [qIn, kIn, vIn] = [g.input("float32"), g.input("float32"), g.input("float32")];
  const groupedShape = g.input("int64");
  const scoresShape = g.input("int64");
  const weightsShape = g.input("int64");
  const splitShape = g.input("int64");
  const maskShape = g.input("int64");
  const firstHidden = g.input("int64");
  const grouped = (x: GraphValue) =>
    g.op("Reshape", [g.op("Transpose", [x], { perm: [1, 2, 0, 3] }), groupedShape]);
  const ungrouped = (x: GraphValue) =>
    g.op("Transpose", [g.op("Reshape", [x, splitShape])], { perm: [2, 0, 1, 3] });
  const q = grouped(qIn);
  const k = g.op("Transpose", [kIn], { perm: [1, 0, 2] });
  const v = g.op("Transpose", [vIn], { perm: [1, 0, 2] });
  let scores = g.op("Reshape", [g.matMul(q, k, { transposeB: true, alpha: scale }), scoresShape]);
  if (hasBias) scores = g.op("Add", [scores, slicedBias(g)]);
  const mask = causalMask(g, maskShape, firstHidden);
  const p = g.op("Softmax", [g.op("Add", [scores, mask])], { axis: -1 });
  return { q, k, v, p: g.op("Reshape", [p, weightsShape]), grouped, ungrouped };
}

/** Fills `out` with the attention of a block's queries. Views as {@link queries} and {@link keys} make them. */
function attend(
  sizes: Sizes,
  scale: number,
  [q, k, v]: readonly [TensorView, TensorView, TensorView],
  out: TensorView,
  bias?: readonly TensorView[],
): void {
  const [rows, numKeys] = [q.dims[0]!, k.dims[0]!];
  const numHeads = sizes.heads * sizes.group;
  const isSmall = numHeads * rows * numKeys <= SCORES_OF_ONE_THREAD;
  const flat = ({ data, dims }: TensorView): TensorView => ({
    data,
    dims: [1, dims[0]!, dims.slice(1).reduce((product, size) => product * size, 1)],
  });
  const firstHidden = { data: BigInt64Array.of(BigInt(numKeys - rows + 1)), dims: [] };
  forwardProgram(numHeads, sizes.heads, scale, bias !== undefined, isSmall).run(
    [flat(q), flat(k), flat(v), integers([rows, numKeys]), firstHidden, ...(bias ?? [])],
    [flat(out)],
  );
}

function forwardProgram(
  numHeads: number,
  numKeyValueHeads: number,
  scale: number,
  hasBias: boolean,
  isSmall: boolean,
): Program {
  return program(
    `SdmCausalAttention ${numHeads}/${numKeyValueHeads} ${scale}${hasBias ? " bias" : ""}${isSmall ? " small" : ""}`,
    (g) => {
      const [q, k, v] = [g.input("float32"), g.input("float32"), g.input("float32")]; // [1, rows, heads * D]
      let mask = causalMask(g, g.input("int64"), g.input("int64"));
      if (hasBias) mask = g.op("Add", [slicedBias(g), mask]);
      const attributes = {
        q_num_heads: numHeads,
        kv_num_heads: numKeyValueHeads,
        scale: { float: scale },
      };
      g.output(g.op("Attention", [q, k, v, mask], attributes), "float32");
    },
    { computeBound: true, keepScratch: true, ...(isSmall && { threads: 1 }) },
  );
}

/** 0 for the keys that a query sees, {@link HIDDEN} for the others; `[rows, keys]`. */
function causalMask(g: GraphBuilder, shape: GraphValue, firstHidden: GraphValue): GraphValue {
  return g.op("Trilu", [g.op("Expand", [g.scalar(HIDDEN), shape]), firstHidden], { upper: 1 });
}

/** A block's part of the bias; its inputs are those of {@link biasInputs}. */
function slicedBias(g: GraphBuilder): GraphValue {
  const [bias, starts, ends] = [g.input("float32"), g.input("int64"), g.input("int64")];
  return g.op("Slice", [bias, starts, ends, g.integers(1, 2)]);
}

function backwardProgram(scale: number, hasBias: boolean): Program {
  return program(
    `SdmCausalAttentionBackward ${scale}${hasBias ? " bias" : ""}`,
    (g) => {
      const { q, k, v, p, grouped, ungrouped } = attentionWeights(g, scale, hasBias);
      const dOut = grouped(g.input("float32"));
      const dP = g.matMul(dOut, v, { transposeB: true });
      const mean = g.op("ReduceSum", [g.op("Mul", [p, dP]), g.integers(2)], { keepdims: 1 });
      const dScores = g.op("Mul", [p, g.op("Sub", [dP, mean])]);
      const joined = (x: GraphValue) => g.op("Transpose", [x], { perm: [1, 0, 2] });
      g.output(ungrouped(g.matMul(dScores, k, { alpha: scale })), "float32");
      g.output(joined(g.matMul(dScores, q, { transposeA: true, alpha: scale })), "float32");
      g.output(joined(g.matMul(p, dOut, { transposeA: true })), "float32");
    },
    { computeBound: true, keepScratch: true },
  );
}

/** Adds `values` to `sum`, in place: every element is read before it is written. */
function addTo(sum: Floats, values: Floats): void {
  const view = (data: Floats): TensorView => ({ data, dims: [data.length] });
  const p = program("add to", (g) =>
    g.output(g.op("Add", [g.input("float32"), g.input("float32")]), "float32"),
  );
  p.run([view(sum), view(values)], [view(sum)]);
}

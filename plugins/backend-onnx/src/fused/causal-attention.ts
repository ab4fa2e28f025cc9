import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program, type Program, type TensorView } from "../runtime/program.js";

/**
 * Scores held at a time, for all heads and a block of queries: never `[heads, T, S]` for long sequences. Blocks also
 * leave out the keys that none of their queries sees, which is nearly half of them. A quarter of this is slower, and
 * more no faster as long as {@link ENOUGH_QUERIES} fit.
 */
const BLOCK_SCORES = 1 << 20;

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
    const p = forwardProgram(scale, inputs.bias !== undefined);
    const { tensor, values } = backend.allocate(inputs.q.shape, "float32");
    for (const block of blocks(sizes)) {
      p.run(blockInputs(backend, inputs, sizes, block), [queries(values, sizes, block)]);
    }
    return tensor;
  },
);

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
    for (const block of blocks(sizes).reverse()) {
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

function blocks({ B, T, S, heads, group }: Sizes): Block[] {
  const fittingIn = (numScores: number) => Math.max(1, Math.floor(numScores / (heads * group * S)));
  const fitting = Math.max(fittingIn(BLOCK_SCORES), Math.min(ENOUGH_QUERIES, fittingIn(MAX_BLOCK_SCORES)));
  const perRow = Math.ceil(T / fitting);
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
  const { b, from, to, keys: numKeys } = block;
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
  if (bias) {
    const [batch, biasHeads, biasRows, biasKeys] = bias.shape as [number, number, number, number];
    const width = biasHeads * biasRows * biasKeys;
    const start = batch === 1 ? 0 : b * width;
    inputs.push(
      { data: backend.values(bias).subarray(start, start + width), dims: [biasHeads, biasRows, biasKeys] },
      integers([biasRows === 1 ? 0 : from, 0]),
      integers([biasRows === 1 ? 1 : to, biasKeys === 1 ? 1 : numKeys]),
    );
  }
  return inputs;
}

/** The values that both directions begin with. */
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
  if (hasBias) {
    const [bias, starts, ends] = [g.input("float32"), g.input("int64"), g.input("int64")];
    scores = g.op("Add", [scores, g.op("Slice", [bias, starts, ends, g.integers(1, 2)])]);
  }
  const mask = g.op("Trilu", [g.op("Expand", [g.scalar(HIDDEN), maskShape]), firstHidden], { upper: 1 });
  const p = g.op("Softmax", [g.op("Add", [scores, mask])], { axis: -1 });
  return { q, k, v, p: g.op("Reshape", [p, weightsShape]), grouped, ungrouped };
}

function forwardProgram(scale: number, hasBias: boolean): Program {
  return program(
    `SdmCausalAttention ${scale}${hasBias ? " bias" : ""}`,
    (g) => {
      const { p, v, ungrouped } = attentionWeights(g, scale, hasBias);
      g.output(ungrouped(g.matMul(p, v)), "float32");
    },
    { computeBound: true, keepScratch: true },
  );
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

function addTo(sum: Floats, values: Floats): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
}

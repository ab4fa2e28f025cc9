import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program, type Program, type TensorView } from "../runtime/program.js";
import {
  type AttentionInputs,
  type AttentionSizes,
  biasInputs,
  type Block,
  blocks,
  causalMask,
  type Floats,
  keys,
  maskInputs,
  queries,
  sizesOf,
  slicedBias,
} from "./attention-blocks.js";

/**
 * Scores held at a time, for all heads and a block of queries. Up to eight times as many are a few per cent
 * slower, as long as {@link ENOUGH_QUERIES} fit.
 */
const BLOCK_SCORES = 1 << 18;

/** Every block costs a pass over the keys it sees and, backward, over their gradients: blocks should not be narrower. */
const ENOUGH_QUERIES = 64;

/** Scores held at most to have {@link ENOUGH_QUERIES} in a block. */
const MAX_BLOCK_SCORES = 1 << 22;

/** Gradient of causal attention by queries, keys and values; the attention weights are computed anew. */
export const causalAttentionBackwardKernel = nativeKernel<
  AttentionInputs & { dOut: TensorInfo },
  { scale: number }
>("SdmCausalAttentionBackward", "graph", ({ inputs, attrs: { scale }, backend }) => {
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
});

function backwardQueries({ S, heads, group }: AttentionSizes): number {
  const fittingIn = (numScores: number) => Math.max(1, Math.floor(numScores / (heads * group * S)));
  return Math.max(fittingIn(BLOCK_SCORES), Math.min(ENOUGH_QUERIES, fittingIn(MAX_BLOCK_SCORES)));
}

function blockInputs(
  backend: OnnxBackend,
  { q, k, v, bias }: AttentionInputs,
  sizes: AttentionSizes,
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
    ...maskInputs(block),
  ];
  if (bias) inputs.push(...biasInputs(backend, bias, block));
  return inputs;
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
  const grouped = (x: GraphValue) =>
    g.op("Reshape", [g.op("Transpose", [x], { perm: [1, 2, 0, 3] }), groupedShape]);
  const ungrouped = (x: GraphValue) =>
    g.op("Transpose", [g.op("Reshape", [x, splitShape])], { perm: [2, 0, 1, 3] });
  const q = grouped(qIn);
  const k = g.op("Transpose", [kIn], { perm: [1, 0, 2] });
  const v = g.op("Transpose", [vIn], { perm: [1, 0, 2] });
  let scores = g.op("Reshape", [g.matMul(q, k, { transposeB: true, alpha: scale }), scoresShape]);
  const mask = causalMask(g);
  if (hasBias) scores = g.op("Add", [scores, slicedBias(g)]);
  const p = g.op("Softmax", [g.op("Add", [scores, mask])], { axis: -1 });
  return { q, k, v, p: g.op("Reshape", [p, weightsShape]), grouped, ungrouped };
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

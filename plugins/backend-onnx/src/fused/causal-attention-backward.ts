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

/**
 * Every block costs a pass over the keys it sees and, backward, over their gradients: blocks should not be narrower. At
 * 1024 to 2048 tokens, 64 take a twentieth longer, and 256 no less.
 */
const ENOUGH_QUERIES = 128;

/** Scores held at most to have {@link ENOUGH_QUERIES} in a block. */
const MAX_BLOCK_SCORES = 1 << 22;

/**
 * Products of one head each are shared out among the threads as they are, so that three heads keep two threads busy for as
 * long as four would. An odd number of heads, if it is small, is cut into so many parts by queries: with three heads on two
 * threads that takes a sixth less time, as do two parts. Not by the number of threads, on which no result may depend.
 */
const PARTS_OF_ODD_HEADS = 4;

/** From so many heads on, what the odd one costs is little. */
const MANY_HEADS = 9;

/** Gradient of causal attention by queries, keys and values; the attention weights are computed anew. */
export const causalAttentionBackwardKernel = nativeKernel<
  AttentionInputs & { out: TensorInfo; dOut: TensorInfo },
  { scale: number }
>("SdmCausalAttentionBackward", "graph", ({ inputs, attrs: { scale }, backend }) => {
  const sizes = sizesOf(inputs);
  const hasBias = inputs.bias !== undefined;
  const [out, dOut] = [backend.values(inputs.out), backend.values(inputs.dOut)];
  const dq = backend.allocate(inputs.q.shape, "float32");
  const dk = backend.allocate(inputs.k.shape, "float32");
  const dv = backend.allocate(inputs.v.shape, "float32");
  // The last block of a batch row sees all keys: it comes first and sets what the others add to.
  for (const block of blocks(sizes, backwardQueries(sizes), PARTS_OF_ODD_HEADS).reverse()) {
    const sums = [keys(dk.values, sizes, block), keys(dv.values, sizes, block)];
    const isFurther = block.to < sizes.T;
    const parts = partsOf(sizes, block);
    backwardProgram(scale, hasBias, isFurther, parts > 1).run(
      [
        ...blockInputs(backend, inputs, sizes, block, parts),
        queries(out, sizes, block),
        queries(dOut, sizes, block),
        ...(isFurther ? sums : []),
      ],
      [queries(dq.values, sizes, block), ...sums],
    );
  }
  return [dq.tensor, dk.tensor, dv.tensor];
});

function backwardQueries({ S, heads, group }: AttentionSizes): number {
  const fittingIn = (numScores: number) => Math.max(1, Math.floor(numScores / (heads * group * S)));
  return Math.max(fittingIn(BLOCK_SCORES), Math.min(ENOUGH_QUERIES, fittingIn(MAX_BLOCK_SCORES)));
}

/** Into how many parts of equal size a head's queries are cut. */
function partsOf({ heads, group }: AttentionSizes, { from, to }: Block): number {
  const isUneven = heads % 2 === 1 && heads > 1 && heads < MANY_HEADS;
  return isUneven && (group * (to - from)) % PARTS_OF_ODD_HEADS === 0 ? PARTS_OF_ODD_HEADS : 1;
}

function blockInputs(
  backend: OnnxBackend,
  { q, k, v, bias }: AttentionInputs,
  sizes: AttentionSizes,
  block: Block,
  parts: number,
): TensorView[] {
  const { heads, group, D } = sizes;
  const { from, to, keys: numKeys } = block;
  const rows = to - from;
  const partRows = (group * rows) / parts;
  const inputs: TensorView[] = [
    queries(backend.values(q), sizes, block),
    shared(keys(backend.values(k), sizes, block)),
    shared(keys(backend.values(v), sizes, block)),
    integers([heads, parts, partRows, -1]),
    integers([heads * group, rows, numKeys]),
    integers([heads, parts, partRows, numKeys]),
    integers([heads, group, rows, D]),
    ...maskInputs(block),
  ];
  if (bias) inputs.push(...biasInputs(backend, bias, block));
  return inputs;
}

/** `[keys, heads, D]` as `[keys, heads, 1, D]`: the same for all parts. */
function shared({ data, dims: [numKeys, heads, D] }: TensorView): TensorView {
  return { data, dims: [numKeys!, heads!, 1, D!] };
}

/** What the backward pass begins with. A part has `group * rows / parts` rows. */
interface Weights {
  /** `[heads, parts, part, D]` */
  q: GraphValue;
  /** `[keys, heads, 1, D]` */
  k: GraphValue;
  v: GraphValue;
  /** `[heads, parts, part, keys]` */
  p: GraphValue;
  /** `[rows, heads, group, n] -> [heads, parts, part, n]`, and back for `n = D`. */
  grouped(x: GraphValue): GraphValue;
  ungrouped(x: GraphValue): GraphValue;
}

function attentionWeights(g: GraphBuilder, scale: number, hasBias: boolean): Weights {
  const [qIn, k, v] = [g.input("float32"), g.input("float32"), g.input("float32")];
  const groupedShape = g.input("int64");
  const scoresShape = g.input("int64");
  const weightsShape = g.input("int64");
  const splitShape = g.input("int64");
  const grouped = (x: GraphValue) =>
    g.op("Reshape", [g.op("Transpose", [x], { perm: [1, 2, 0, 3] }), groupedShape]);
  const ungrouped = (x: GraphValue) =>
    g.op("Transpose", [g.op("Reshape", [x, splitShape])], { perm: [2, 0, 1, 3] });
  const q = grouped(qIn);
  let scores = g.op("Reshape", [
    g.matMul(q, k, { transposeB: true, rowsFirstB: true, alpha: scale }),
    scoresShape,
  ]);
  const mask = causalMask(g);
  if (hasBias) scores = g.op("Add", [scores, slicedBias(g)]);
  const p = g.op("Softmax", [g.op("Add", [scores, mask])], { axis: -1 });
  return { q, k, v, p: g.op("Reshape", [p, weightsShape]), grouped, ungrouped };
}

/** Gradients of a block; those by keys and values added to inputs, in the place of which they may stand, if `isFurther`. */
function backwardProgram(scale: number, hasBias: boolean, isFurther: boolean, hasParts: boolean): Program {
  return program(
    `SdmCausalAttentionBackward ${scale}${hasBias ? " bias" : ""}${isFurther ? " further" : ""}${hasParts ? " parts" : ""}`,
    (g) => {
      const { q, k, v, p, grouped, ungrouped } = attentionWeights(g, scale, hasBias);
      const [out, dOutIn] = [g.input("float32"), g.input("float32")];
      const dOut = grouped(dOutIn);
      const mean = grouped(g.op("ReduceSum", [g.op("Mul", [out, dOutIn]), g.integers(3)], { keepdims: 1 }));
      const dP = g.matMul(dOut, v, { transposeB: true, rowsFirstB: true });
      const dScores = g.op("Mul", [p, g.op("Sub", [dP, mean])]);
      const joined = (x: GraphValue) => {
        const ofBlock = hasParts
          ? g.op("ReduceSum", [x, g.integers(1)], { keepdims: 0 })
          : g.op("Squeeze", [x, g.integers(1)]);
        const rowsFirst = g.op("Transpose", [ofBlock], { perm: [1, 0, 2] }); // [keys, heads, D]
        return isFurther ? g.op("Add", [rowsFirst, g.input("float32")]) : rowsFirst;
      };
      g.output(ungrouped(g.matMul(dScores, k, { rowsFirstB: true, alpha: scale })), "float32");
      g.output(joined(g.matMul(dScores, q, { transposeA: true, alpha: scale })), "float32");
      g.output(joined(g.matMul(p, dOut, { transposeA: true })), "float32");
    },
    { computeBound: true, keepScratch: true },
  );
}

import type { SegmentView, TokenRange } from "@sdmprune/tensor";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
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
 * Forward, the queries of a block: never `[heads, T, S]` for long sequences. Blocks also leave out the keys that none of
 * their queries sees, which is nearly half of them. Half and twice as many are no faster.
 */
const BLOCK_QUERIES = 64;

/** Up to this many scores of all heads, waking another thread takes longer than what it would do. */
const SCORES_OF_ONE_THREAD = 1 << 16;

/** Attention of every query to the keys up to its position. */
export const causalAttentionKernel = nativeKernel<AttentionInputs, { scale: number }>(
  "SdmCausalAttention",
  "graph",
  ({ inputs: { q, k, v, bias }, attrs: { scale }, backend }) => {
    const { tensor, values } = backend.allocate(q.shape, "float32");
    const parts = { q: backend.values(q), k: backend.values(k), v: backend.values(v), out: values };
    attend(parts, sizesOf({ q, k }), scale, bias && ((block) => biasInputs(backend, bias, block)));
    return tensor;
  },
);

/** Attention of every segment's own tokens to those that it sees. */
export const segmentedAttentionKernel = nativeKernel<
  { q: TensorInfo; k: TensorInfo; v: TensorInfo },
  { scale: number; segments: readonly SegmentView[] }
>("SdmSegmentedAttention", "graph", ({ inputs: { q, k, v }, attrs: { scale, segments }, backend }) => {
  const { heads, group, D } = sizesOf({ q, k });
  const { tensor, values } = backend.allocate(q.shape, "float32");
  const numSeen = segments.map(({ seen }) => seen.reduce((sum, [start, end]) => sum + end - start, 0));
  const scratch = ["k", "v"].map(() => backend.allocate([Math.max(...numSeen), heads * D], "float32"));
  for (const [i, { own, seen }] of segments.entries()) {
    const parts = {
      q: runOf(backend.values(q), heads * group * D, own),
      k: runsOf(backend.values(k), heads * D, seen, scratch[0]!.values),
      v: runsOf(backend.values(v), heads * D, seen, scratch[1]!.values),
      out: runOf(values, heads * group * D, own),
    };
    attend(parts, { B: 1, T: own[1] - own[0], S: numSeen[i]!, heads, group, D }, scale);
  }
  for (const made of scratch) backend.disposeIntermediateTensorInfo(made.tensor);
  return tensor;
});

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

/** Fills `out` with the attention of all queries, block by block. */
function attend(
  { q, k, v, out }: Record<"q" | "k" | "v" | "out", Floats>,
  sizes: AttentionSizes,
  scale: number,
  biasOf?: (block: Block) => readonly TensorView[],
): void {
  const { heads, group } = sizes;
  for (const block of blocks(sizes, BLOCK_QUERIES)) {
    const numScores = heads * group * (block.to - block.from) * block.keys;
    const p = forwardProgram(
      heads * group,
      heads,
      scale,
      biasOf !== undefined,
      numScores <= SCORES_OF_ONE_THREAD,
    );
    p.run(
      [
        ...[queries(q, sizes, block), keys(k, sizes, block), keys(v, sizes, block)].map(flat),
        ...maskInputs(block),
        ...(biasOf?.(block) ?? []),
      ],
      [flat(queries(out, sizes, block))],
    );
  }
}

/** `[n, ...]` as `[1, n, values of one]`. */
function flat({ data, dims: [count, ...rest] }: TensorView): TensorView {
  return { data, dims: [1, count!, rest.reduce((product, size) => product * size, 1)] };
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
      let mask = causalMask(g);
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

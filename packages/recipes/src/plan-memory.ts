import type { WeightResidency } from "@sdmprune/models";
import type { CausalLMConfig } from "@sdmprune/models/families";
import { countParameters, type ModelShape } from "@sdmprune/pruning";
import { formatByteSize } from "./byte-size.js";

/** What a sweep will have to hold. */
export interface SweepSize {
  readonly config: CausalLMConfig;
  readonly shape: ModelShape;
  /** Tokens of the longest sample, and how many samples there are; 0 for a criterion that looks at none. */
  readonly seqlen: number;
  readonly nsamples: number;
  readonly backward: boolean;
  /**
   * Whether a loss compares with a teacher, and whose weights that takes: `none` where its hidden states are known,
   * `shared` where it differs from the student in the MLPs alone, `other` for a model of its own.
   */
  readonly teacher?: "none" | "shared" | "other" | undefined;
  /** Hidden states of all samples are held, as in propagation. */
  readonly holdsHidden?: boolean;
  /** What the sweep's user holds besides, in bytes. Default 0. */
  readonly extraBytes?: number;
  /** How many times the MLPs' weights are held as sums of their gradients, in float32. Default 0. */
  readonly weightGradientCopies?: number;
}

/** How a sweep stays within its memory. */
export interface MemoryPlan {
  readonly residency: WeightResidency;
  readonly recompute: boolean;
  readonly microBatch: number;
  readonly keepLogitsBytes: number;
  /** Bytes of the blocks' inputs to hold; what is more goes to a file. */
  readonly maxActivationBytes: number;
  /** Bytes of a teacher's hidden states to hold; what is more goes to a file. */
  readonly maxHiddenBytes: number;
  /** What the process is expected to take at most. */
  readonly peakBytes: number;
}

const MIB = 2 ** 20;
const FLOAT = 4;

/** Node with the program, ONNX Runtime with its graphs, a tokenizer, and buffers that wait for the garbage collector. */
export const PROCESS_BYTES = 450 * MIB;

/** Logits kept between the two passes of a loss where there is room: computing them again takes a tenth of the time. */
const KEEP_LOGITS_BYTES = 512 * MIB;
const KEEP_LOGITS_BYTES_AT_EASE = 2048 * MIB;

/** Samples that share a block's weights at most: beyond, reading them is less than a hundredth of the time. */
const MAX_MICRO_BATCH = 8;

/** Freed buffers that the engine may keep to use again for block after block, when memory is plentiful and when it is not. */
const MAX_POOL_BYTES = 512 * MIB;
const MIN_POOL_BYTES = 64 * MIB;

/**
 * Bytes of freed buffers that the engine may keep within a budget: enough for the weights of one block and a pass
 * through it, since these come and go with every block; and where the weights stay in memory and there is room, for all that
 * a sample's backward pass wants of its forward pass, since that comes and goes with every sample.
 *
 * @param size - `seqlen`: tokens of the longest sample, 0 if no samples are run.
 */
export function poolBytesFor(
  budgetBytes: number,
  { config, shape, seqlen }: Pick<SweepSize, "config" | "shape" | "seqlen">,
): number {
  const most = budgetBytes / 5;
  const block = Math.max(MAX_POOL_BYTES, 1.5 * blockBytes(config, shape));
  const kept = savedBytes(config, seqlen) * config.numLayers;
  const isRoomy = countParameters(shape).total * FLOAT + 2 * kept <= budgetBytes;
  const wanted = isRoomy && kept <= most ? Math.max(block, kept) : block;
  return Math.floor(Math.max(MIN_POOL_BYTES, Math.min(wanted, most)));
}

/**
 * The quickest way to run a sweep within a budget: weights and activations in memory; activations recomputed; weights
 * read block by block for as many samples as fit; and with the inputs of blocks in a file. All give the same bits.
 *
 * @returns If even the last takes more than the budget, that one: compare `peakBytes`.
 */
export function planMemory(size: SweepSize, budgetBytes: number): MemoryPlan {
  const candidates = candidatePlans(size, budgetBytes);
  const plan = candidates.find(({ peakBytes }) => peakBytes <= budgetBytes) ?? candidates.at(-1)!;
  return withHiddenStates(plan, size, budgetBytes);
}

/** The least budget that a sweep can be planned within. */
export function leastMemory(size: SweepSize): number {
  let bytes = 0;
  // What the engine may keep grows with the budget, by a fifth of it at most: this settles quickly.
  for (let i = 0; i < 60; i++) bytes = candidatePlans(size, bytes).at(-1)!.peakBytes;
  return Math.ceil(bytes);
}

/** What a plan comes to, for a person. */
export function describePlan({
  residency,
  recompute,
  microBatch,
  maxActivationBytes,
  peakBytes,
}: MemoryPlan): string {
  const weights =
    residency === "resident"
      ? "weights stay in memory"
      : `weights are read block by block${microBatch > 1 ? ` for ${microBatch} samples at a time` : ""}`;
  const activations = recompute ? ", activations are recomputed" : "";
  const spilled = maxActivationBytes === Infinity ? "" : ", inputs of blocks go to a file";
  return `memory: at most about ${formatByteSize(peakBytes)}; ${weights}${activations}${spilled}`;
}

/** From the quickest to the leanest. */
function candidatePlans(size: SweepSize, budgetBytes: number): MemoryPlan[] {
  const { nsamples, backward } = size;
  const plan = (
    residency: WeightResidency,
    { recompute = backward, microBatch = 1, keepLogits = false, spill = false, isAtEase = false } = {},
  ): MemoryPlan => {
    const keepLogitsBytes = keepLogits ? keptLogitsBytes(size, isAtEase) : 0;
    const policy = { residency, recompute, microBatch, keepLogitsBytes, spill };
    return {
      residency,
      recompute,
      microBatch,
      keepLogitsBytes,
      maxActivationBytes: spill ? 0 : Infinity,
      maxHiddenBytes: Infinity,
      peakBytes: Math.ceil(peakBytes(size, policy) + poolBytesFor(budgetBytes, size)),
    };
  };
  if (nsamples === 0) return [plan("streamed", { recompute: false })]; // each layer's weights are wanted once
  const batches = Array.from({ length: Math.min(nsamples, MAX_MICRO_BATCH) }, (_, i) => i + 1).reverse();
  return [
    plan("resident", { recompute: false, keepLogits: true, isAtEase: true }),
    plan("resident", { recompute: false, keepLogits: true }),
    plan("resident", { keepLogits: true }),
    plan("resident"),
    ...batches.map((microBatch) => plan("streamed", { microBatch, keepLogits: true })),
    ...batches.map((microBatch) => plan("streamed", { microBatch })),
    ...(backward ? [plan("streamed", { spill: true })] : []),
  ];
}

/** Leaves what the sweep does not take to the teacher's hidden states, which the next stage wants. */
function withHiddenStates(
  plan: MemoryPlan,
  { nsamples, seqlen, config }: SweepSize,
  budget: number,
): MemoryPlan {
  const wanted = nsamples * seqlen * config.hiddenSize * FLOAT;
  const spare = (budget - plan.peakBytes) / 2;
  return { ...plan, maxHiddenBytes: wanted <= spare ? Infinity : 0 };
}

interface Policy {
  readonly residency: WeightResidency;
  readonly recompute: boolean;
  readonly microBatch: number;
  readonly keepLogitsBytes: number;
  readonly spill: boolean;
}

function peakBytes(size: SweepSize, policy: Policy): number {
  const { config, shape, seqlen, nsamples, backward, teacher, holdsHidden } = size;
  const { weightGradientCopies = 0, extraBytes = 0 } = size;
  const { total, mlp } = countParameters(shape);
  const block = blockBytes(config, shape);
  const teacherBytes = { none: 0, shared: mlp * FLOAT, other: total * FLOAT }[teacher ?? "none"];
  const weights =
    policy.residency === "resident" ? total * FLOAT + teacherBytes : block + largestMatrixBytes(config); // and its bytes as they are in the file
  if (nsamples === 0) return PROCESS_BYTES + weights + block;
  const hidden = seqlen * config.hiddenSize * FLOAT;
  const saved = savedBytes(config, seqlen);
  const pass = backward ? saved * (policy.recompute ? 2 : 1) : saved; // its gradients are as large
  const inputs = policy.spill ? 2 * hidden : hidden * (config.numLayers + 1) * policy.microBatch;
  const kept = backward ? (policy.recompute ? inputs : saved * config.numLayers) : hidden * policy.microBatch;
  const loss = backward ? lossBytes(size) + policy.keepLogitsBytes : 0;
  const others = hidden * (holdsHidden ? nsamples : 0) + (teacher ? hidden * policy.microBatch : 0);
  // A sample's gradient, its square, and the sum that replaces another are alive together.
  const gradients =
    weightGradientCopies === 0 ? 0 : weightGradientCopies * mlp * FLOAT + 3 * largestMatrixBytes(config);
  return PROCESS_BYTES + weights + kept + Math.max(pass, loss) + others + gradients + extraBytes;
}

/** Float32 weights of one block. */
function blockBytes({ numLayers }: CausalLMConfig, shape: ModelShape): number {
  const { nonEmbedding, mlp } = countParameters(shape);
  const widest = Math.max(...shape.widths.map((width, layer) => width * shape.neuronSizes[layer]!));
  return ((nonEmbedding - mlp) / Math.max(1, numLayers) + widest) * FLOAT;
}

function largestMatrixBytes({ hiddenSize, intermediateSizes }: CausalLMConfig): number {
  return hiddenSize * Math.max(...intermediateSizes) * FLOAT;
}

/** What the backward pass of one block wants of its forward pass: gate, up and their product, and attention. */
function savedBytes({ hiddenSize, intermediateSizes }: CausalLMConfig, seqlen: number): number {
  return seqlen * (3 * Math.max(...intermediateSizes) + 6 * hiddenSize) * FLOAT;
}

/** A chunk of the head, and what a loss makes of it: logits, those of the teacher, their gradient. */
function lossBytes({ config, seqlen, teacher }: SweepSize): number {
  const rows = Math.min(config.vocabSize, Math.max(1, Math.floor((64 * MIB) / (FLOAT * config.hiddenSize))));
  return FLOAT * rows * (config.hiddenSize + seqlen * (teacher ? 4 : 3));
}

function keptLogitsBytes({ config, seqlen, teacher, backward }: SweepSize, isAtEase: boolean): number {
  const bytes = backward ? seqlen * config.vocabSize * FLOAT * (teacher ? 2 : 1) : 0;
  return bytes <= (isAtEase ? KEEP_LOGITS_BYTES_AT_EASE : KEEP_LOGITS_BYTES) ? bytes : 0;
}

import type { Run } from "@sdmprune/core";
import type { CausalLMConfig } from "@sdmprune/models/families";
import { formatByteSize } from "./byte-size.js";
import type { MemoryBudget } from "./memory-budget.js";

export interface TrainingMemoryRequest {
  readonly config: CausalLMConfig;
  /** Tokens of a micro-batch. */
  readonly tokens: number;
  readonly mode: "lora" | "full";
  readonly teacher: CausalLMConfig | undefined;
  readonly budget: MemoryBudget;
}

const FLOAT = 4;
/** Node, the engine, tokenizer and data. */
const PROCESS_BYTES = 600 * 2 ** 20;

/** How a training stays within its memory. */
export interface TrainingMemoryPlan {
  /** Whether activations are to be computed again going backward. */
  readonly recompute: boolean;
  /** Bytes of freed results that the engine keeps; undefined for its default. */
  readonly poolBytes: number | undefined;
}

/** Freed results that any engine keeps. */
const LEAST_POOL_BYTES = 512 * 2 ** 20;

/**
 * What a training does with its memory. Where there is room, all activations of a step stay for the next one to write into: new
 * memory would cost a page fault every 4 KiB. Says what is done if the user asked or if it is not the plain way.
 */
export function planTrainingMemory(run: Run, request: TrainingMemoryRequest): TrainingMemoryPlan {
  const { config, tokens, budget } = request;
  const { hiddenSize: H, numLayers: L, vocabSize: V } = config;
  // Of a block: its input, the middle, queries, keys, values and their mix (at most 5 H together), and three of the MLP's width.
  const widths = config.intermediateSizes.reduce((sum, F) => sum + 7 * H + 3 * F, 0);
  const kept = FLOAT * tokens * widths;
  const inputs = FLOAT * tokens * H * L;
  const oneBlock = kept / L;
  const logits = FLOAT * tokens * V * 2;
  const fixed = PROCESS_BYTES + logits + parameterBytes(request);
  const recompute = fixed + kept > budget.bytes;
  const peak = fixed + (recompute ? inputs + 2 * oneBlock : kept);
  if (peak > budget.bytes) {
    run.progress({
      type: "warning",
      message: `memory: about ${formatByteSize(budget.bytes)} may be used, and ${formatByteSize(peak)} may be needed. Use a shorter --max-length or a smaller --batch-size if it runs out.`,
    });
  } else if (budget.isAsked || recompute) {
    run.progress({
      type: "info",
      message: `memory: about ${formatByteSize(peak)}; activations are ${recompute ? "computed again going backward" : "kept"}`,
    });
  }
  const hasRoom = fixed + 2 * kept <= budget.bytes; // micro-batches of another length find nothing of theirs
  return { recompute, poolBytes: hasRoom ? Math.max(LEAST_POOL_BYTES, kept + logits) : undefined };
}

/** Weights, and for full training their gradients and moments. */
function parameterBytes({ config, mode, teacher }: TrainingMemoryRequest): number {
  return FLOAT * (numParameters(config) * (mode === "full" ? 4 : 1) + (teacher ? numParameters(teacher) : 0));
}

function numParameters({
  hiddenSize: H,
  vocabSize: V,
  intermediateSizes,
  tieWordEmbeddings,
}: CausalLMConfig): number {
  const blocks = intermediateSizes.reduce((sum, F) => sum + 4 * H * H + 3 * H * F, 0);
  return blocks + V * H * (tieWordEmbeddings ? 1 : 2);
}

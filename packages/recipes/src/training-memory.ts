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

/**
 * Whether activations are to be computed again going backward, for want of memory. Says so if the user asked or if it is not
 * the plain way.
 */
export function planTrainingMemory(run: Run, request: TrainingMemoryRequest): boolean {
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
  return recompute;
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

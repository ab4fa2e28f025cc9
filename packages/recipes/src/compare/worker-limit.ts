import type { Run } from "@sdmprune/core";
import { countParameters } from "@sdmprune/pruning";
import { availableMemory } from "../available-memory.js";
import { formatByteSize } from "../byte-size.js";
import type { OpenedModel } from "../open-model.js";

/** Of the program, its engine and the activations of a small model. */
const BASE_BYTES = 700e6;
/** Weights in float32: of the model, of a pruned one or a teacher beside it, and room for gradients. */
const BYTES_PER_PARAMETER = 3 * 4;
/** Part of the free memory to take. */
const SHARE = 0.8;

/** As many workers as were asked for, or as memory allows, and says so then. At least 1. */
export async function workerLimit(run: Run, { shape }: OpenedModel, asked: number): Promise<number> {
  const each = BASE_BYTES + BYTES_PER_PARAMETER * countParameters(shape).total;
  const free = SHARE * (await availableMemory());
  const limit = Math.max(1, Math.min(asked, Math.floor(free / each)));
  if (limit < asked) {
    run.progress({
      type: "warning",
      message: `max-parallel: ${formatByteSize(free)} are free and a worker may take ${formatByteSize(each)}; running ${limit} instead of ${asked}.`,
    });
  }
  return limit;
}

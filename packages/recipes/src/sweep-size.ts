import { weightGradientCopies, type ImportanceCriterion, type SweepSample } from "@sdmprune/importance";
import { needsSamples } from "./create-criterion.js";
import type { MemoryBudget } from "./memory-budget.js";
import type { OpenedModel } from "./open-model.js";
import { poolBytesFor, type SweepSize } from "./plan-memory.js";

/** What a sweep that feeds these criteria will have to hold, but for a teacher. */
export function sweepSize(
  { config, shape }: OpenedModel,
  samples: readonly SweepSample[],
  criteria: readonly ImportanceCriterion[],
): SweepSize {
  const named = new Map(criteria.map((criterion, i) => [String(i), criterion]));
  return {
    config,
    shape,
    seqlen: longestSample(samples),
    nsamples: criteria.some(needsSamples) ? samples.length : 0,
    backward: criteria.some(({ needs }) => needs.gradients !== undefined),
    weightGradientCopies: weightGradientCopies(named),
  };
}

/** {@link poolBytesFor} of the engine that runs these samples through a model. */
export function poolBytesOfSamples(
  budget: MemoryBudget,
  { config, shape }: OpenedModel,
  samples: readonly SweepSample[] = [],
): number {
  return poolBytesFor(budget.bytes, { config, shape, seqlen: longestSample(samples) });
}

/** Tokens of the longest sample; 0 of none. */
function longestSample(samples: readonly SweepSample[]): number {
  return Math.max(0, ...samples.map(({ ids }) => ids.length));
}

/** Whether a criterion's loss compares the student with a teacher. */
export function needsTeacher({ needs }: ImportanceCriterion): boolean {
  const loss = needs.gradients?.loss;
  return typeof loss === "object" && loss.kind === "blend" && loss.alpha > 0;
}

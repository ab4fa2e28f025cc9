import { availableParallelism } from "node:os";
import { TOKENS, UsageError, type Run } from "@sdmprune/core";
import { keepsState, type ImportanceCriterion, type SweepSample } from "@sdmprune/importance";
import { formatByteSize } from "./byte-size.js";
import { sweepFlops } from "./estimate-sweep.js";
import type { MemoryBudget } from "./memory-budget.js";
import type { OpenedModel } from "./open-model.js";
import { PROCESS_BYTES, type MemoryPlan } from "./plan-memory.js";
import type { WorkerSweep } from "./sample-workers.js";

/** Samples to compute at the same time, or `auto`: as many as is quickest. */
export type WorkerCount = number | "auto";

/** MLP matrices of more elements keep the threads of one sample busy. */
const SMALL_MATRIX = 2 ** 18;

/** Operations below which starting workers, which each load the program and the engine, takes longer than they save. */
const WORTHWHILE_FLOPS = 1e12;

/** A thread with an engine of its own, beside what it computes with. */
const WORKER_BYTES = 200 * 2 ** 20;

export interface WorkerRequest {
  readonly workers?: WorkerCount | undefined;
  readonly threads?: number | undefined;
}

/**
 * How many workers a sweep gets, and how many threads each. One worker is none: the sweep runs here.
 *
 * @throws {UsageError} If workers are asked for where there can be none.
 */
export function planWorkers(
  run: Run,
  { workers: asked = "auto", threads = availableParallelism() }: WorkerRequest,
  { config, shape }: OpenedModel,
  samples: readonly SweepSample[],
  criteria: readonly ImportanceCriterion[],
  plan: MemoryPlan,
  budget: MemoryBudget,
): { count: number; threads: number } {
  const alone = { count: 1, threads };
  const backward = criteria.some(({ needs }) => needs.gradients !== undefined);
  const reason = !run.services.isRegistered(TOKENS.startWorker)
    ? "this program starts no workers"
    : criteria.some(keepsState)
      ? "a criterion keeps state between samples"
      : plan.maxActivationBytes !== Infinity
        ? "the inputs of blocks go to a file"
        : undefined;
  if (asked === "auto") {
    const widest = Math.max(...shape.widths) * config.hiddenSize;
    const flops = sweepFlops(config, shape, samples, { backward, teacher: false, recompute: false });
    if (reason || widest > SMALL_MATRIX || flops < WORTHWHILE_FLOPS || plan.residency !== "resident")
      return alone;
  } else if (asked > 1 && reason) {
    throw new UsageError(`workers: expected 1, as ${reason}, got ${asked}.`);
  }
  const wanted = Math.min(asked === "auto" ? threads : asked, samples.length);
  const fitting = Math.floor(
    (budget.bytes - PROCESS_BYTES) / (plan.peakBytes - PROCESS_BYTES + WORKER_BYTES),
  );
  if (wanted <= 1) return alone;
  if (fitting < wanted && asked !== "auto") {
    throw new UsageError(
      `workers: expected at most ${Math.max(1, fitting)} within ${formatByteSize(budget.bytes)} of memory, got ${asked}.`,
    );
  }
  const count = Math.min(wanted, fitting);
  return count <= 1 ? alone : { count, threads: Math.max(1, Math.floor(threads / count)) };
}

/** The part of a memory plan that a worker keeps to. */
export function workerPolicy({
  residency,
  recompute,
  keepLogitsBytes,
  maxHiddenBytes,
}: MemoryPlan): Pick<WorkerSweep, "residency" | "recompute" | "keepLogitsBytes" | "maxHiddenBytes"> {
  return { residency, recompute, keepLogitsBytes, maxHiddenBytes };
}

import { UsageError, type Run } from "@sdmprune/core";
import type { SweepPolicy } from "@sdmprune/importance";
import type { ActivationSpill } from "@sdmprune/models";
import { availableMemory } from "./available-memory.js";
import { formatByteSize, parseByteSize } from "./byte-size.js";
import { describePlan, leastMemory, planMemory, type MemoryPlan, type SweepSize } from "./plan-memory.js";

/** How much memory a run may take. */
export interface MemoryBudget {
  readonly bytes: number;
  /** `given`: a limit that the user set. `auto`: what is free, because the user asked or said nothing. */
  readonly kind: "given" | "auto";
  readonly isAsked: boolean;
}

/** Part of the free memory to take: the machine has other work, and estimates err. */
const AUTO_SHARE = 0.8;

/**
 * Checks what the option `--memory` says, before anything long starts.
 *
 * @returns The size; undefined for `auto`.
 * @throws {UsageError} If it is neither.
 */
export function checkMemory(memory = "auto"): number | undefined {
  return memory === "auto" ? undefined : parseByteSize(memory, "memory");
}

/** What the option `--memory` comes to: a size for the whole process, or with `auto`, the default, what is free now. */
export async function memoryBudget(memory: string | undefined): Promise<MemoryBudget> {
  const given = checkMemory(memory);
  if (given !== undefined) return { bytes: given, kind: "given", isAsked: true };
  const bytes = AUTO_SHARE * (await availableMemory()) + process.memoryUsage.rss();
  return { bytes, kind: "auto", isAsked: memory !== undefined };
}

/**
 * Plans a sweep, and says so if it is not the plain way or the user asked.
 *
 * @throws {UsageError} If the user's limit is too low.
 */
export function planSweepMemory(
  run: Run,
  size: SweepSize,
  { bytes, kind, isAsked }: MemoryBudget,
): MemoryPlan {
  const plan = planMemory(size, bytes);
  const isTight = plan.peakBytes > bytes;
  if (isTight && kind === "given") {
    throw new UsageError(
      `memory: expected at least ${formatByteSize(leastMemory(size))} for this model${size.nsamples > 0 ? ` and samples of ${size.seqlen} tokens` : ""}, got ${formatByteSize(bytes)}. Give more, or use shorter samples.`,
    );
  }
  if (isTight) {
    const message = `memory: about ${formatByteSize(bytes)} are free, and ${formatByteSize(plan.peakBytes)} may be needed. Use shorter samples if it runs out.`;
    run.progress({ type: "warning", message });
  }
  const isPlain = size.nsamples === 0 || (plan.residency === "resident" && !plan.recompute);
  if (isAsked || !isPlain) run.progress({ type: "info", message: describePlan(plan) });
  return plan;
}

/** A plan as the sweep takes it. */
export function sweepPolicy(plan: MemoryPlan, spill: ActivationSpill): SweepPolicy {
  const { recompute, microBatch, keepLogitsBytes, maxActivationBytes } = plan;
  return { recompute, microBatch, keepLogitsBytes, activations: { maxBytes: maxActivationBytes, spill } };
}

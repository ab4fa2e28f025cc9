import { UsageError } from "@sdmprune/core";

export const SCHEDULES = ["constant", "linear", "cosine"] as const;

/** How the learning rate changes after warm-up: not at all, linearly to 0, or along half a cosine to 0. */
export type ScheduleName = (typeof SCHEDULES)[number];

/**
 * Factor of the learning rate for a step, by the formulas of transformers (`get_constant_schedule_with_warmup`,
 * `get_linear_…`, `get_cosine_…`): it rises from 0 over the steps of warm-up, whose first step thus has rate 0.
 *
 * @param step - Steps done before this one: 0 for the first.
 * @throws {UsageError} If there is no such schedule.
 */
export function scheduleFactor(
  schedule: ScheduleName,
  step: number,
  { warmupSteps, totalSteps }: { warmupSteps: number; totalSteps: number },
): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const rest = Math.max(1, totalSteps - warmupSteps);
  switch (schedule) {
    case "constant":
      return 1;
    case "linear":
      return Math.max(0, (totalSteps - step) / rest);
    case "cosine":
      return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (step - warmupSteps)) / rest)));
    default:
      throw new UsageError(`schedule: expected ${SCHEDULES.join(", ")}, got "${String(schedule)}".`);
  }
}

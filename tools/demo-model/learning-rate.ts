import type { TrainingSettings } from "./settings.js";

type Schedule = Pick<TrainingSettings, "learningRate" | "warmupSteps" | "finalPart" | "numSteps">;

/** Learning rate of a step counted from 0: a linear warm-up, then half a cosine (Loshchilov & Hutter 2017). */
export function learningRateAt(
  step: number,
  { learningRate, warmupSteps, finalPart, numSteps }: Schedule,
): number {
  if (step < warmupSteps) {
    return (learningRate * (step + 1)) / warmupSteps;
  }
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, numSteps - warmupSteps));
  const cosine = (1 + Math.cos(Math.PI * done)) / 2;
  return learningRate * (finalPart + (1 - finalPart) * cosine);
}

import { UsageError } from "@sdmprune/core";
import type { TrainingSettings } from "./train-request.js";

export interface TrainingPreset extends TrainingSettings {
  readonly description: string;
}

const SDMPRUNE: TrainingSettings = {
  learningRate: 1e-4,
  weightDecay: 0.05,
  schedule: "cosine",
  warmupSteps: 0,
  batchSize: 1,
  gradientAccumulation: 16,
  maxLength: 4096,
};

/** The published settings of recovery training. */
export const TRAINING_PRESETS: Readonly<Record<string, TrainingPreset>> = {
  "sdmprune-lora": {
    description: "SDMPrune's LoRA: rank 8, alpha 16, dropout 0.05 on all linear layers, 2 epochs.",
    ...SDMPRUNE,
    mode: "lora",
    epochs: 2,
    lora: { r: 8, loraAlpha: 16, loraDropout: 0.05, targetModules: "all-linear", useRslora: false },
  },
  "sdmprune-full": {
    description: "SDMPrune's training of all parameters, 3 epochs.",
    ...SDMPRUNE,
    mode: "full",
    epochs: 3,
  },
};

/** @throws {UsageError} If there is no such preset. */
export function findTrainingPreset(name: string): TrainingPreset {
  const preset = TRAINING_PRESETS[name];
  if (preset) return preset;
  throw new UsageError(
    `preset: expected one of ${Object.keys(TRAINING_PRESETS).join(", ")} for training, got "${name}".`,
  );
}

import { planTraining, weightEdits, windowsInRandomOrder } from "@sdmprune/lora";
import {
  createSingleStageMethod,
  type PruningMethod,
  type StageContext,
  type StageResult,
} from "@sdmprune/pruning";
import { layerWidths } from "./layer-widths.js";
import type { MethodOptions } from "./lora-prune-options.js";
import { trainLoraPrune } from "./train-lora-prune.js";

/**
 * LoRAPrune (Zhang et al. 2023, https://arxiv.org/abs/2305.18403) for MLP neurons: one stage that trains adapters on the
 * calibration windows and masks the neurons that their gradients say least of.
 */
export function createLoraPruneMethod(options: MethodOptions): PruningMethod {
  if (options.steps === 0) {
    return createSingleStageMethod("lora-prune", { needsCalibration: true, options: { r: options.r } });
  }
  return {
    needsCalibration: true,
    decidesWidths: true,
    stages: ({ shape, width }) => {
      const widths = layerWidths(shape.widths, width, options.skipLayers);
      return [{ name: "lora-prune", run: (context) => runStage(context, widths, options) }];
    },
  };
}

async function runStage(
  { training, kept }: StageContext,
  widths: readonly number[],
  options: MethodOptions,
): Promise<StageResult> {
  const { openStudent, samples, seed, progress, signal, source, record } = training();
  const { model, recompute } = await openStudent();
  try {
    const windows = samples.map(({ ids }) => ids);
    const plan = planTraining(windowsInRandomOrder(windows, seed), {
      epochs: 1,
      maxSteps: options.steps,
      batchSize: 1,
      gradientAccumulation: options.batchSize,
    });
    const result = await trainLoraPrune({
      ...options,
      model,
      recompute,
      widths,
      plan,
      seed,
      progress,
      signal,
    });
    record("lora-prune", { ...options, seed }, result.scores);
    const edits = [...result.adapters].map(([module, adapter]) => [`${module}.weight`, { adapter }] as const);
    return {
      kept: result.kept.map((best, layer) => best.map((n) => kept[layer]![n]!)),
      ...(options.merge && { edits: weightEdits(source, new Map(edits)) }),
    };
  } finally {
    model.dispose();
  }
}

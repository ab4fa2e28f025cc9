import { Rng, type ProgressListener } from "@sdmprune/core";
import { planTraining, weightEdits, windowsInRandomOrder } from "@sdmprune/lora";
import { keepBest, type PruningMethod, type StageContext, type StageResult } from "@sdmprune/pruning";
import type { MethodOptions } from "./compresso-options.js";
import { foldMasks } from "./fold-masks.js";
import { NeuronGates } from "./neuron-gates.js";
import { trainCompresso } from "./train-compresso.js";

/**
 * Compresso (Guo et al. 2023, https://arxiv.org/abs/2310.05015) for MLP neurons: one stage that learns which neurons to keep,
 * as masks under a Lagrangian, while adapters on q and v make up for the rest.
 */
export function createCompressoMethod(options: MethodOptions): PruningMethod {
  return {
    needsCalibration: true,
    stages: ({ shape, width }) => {
      const widths = shape.widths.map((size) => Math.min(size, width));
      return [{ name: "compresso", run: (context) => runStage(context, { width, widths }, options) }];
    },
  };
}

async function runStage(
  { training, kept, allocate }: StageContext,
  { width, widths }: { readonly width: number; readonly widths: readonly number[] },
  options: MethodOptions,
): Promise<StageResult> {
  const { openStudent, samples, seed, progress, signal, source, groups, record } = training();
  const { steps, batchSize, fineTuneShare, warmUpShare, maskLr, merge } = options;
  const { model, recompute } = await openStudent();
  try {
    const sizes = model.config.intermediateSizes;
    const first = new Rng(seed, "compresso/log-alpha");
    const gates = new NeuronGates(sizes, maskLr, () => first.normal());
    const noise = new Rng(seed, "compresso/masks");
    const windows = samples.map(({ ids }) => ids);
    const { adapters, sparsities } = await trainCompresso({
      ...options,
      model,
      recompute,
      widths,
      gates,
      plan: planTraining(windowsInRandomOrder(windows, seed), {
        epochs: 1,
        maxSteps: steps,
        batchSize: 1,
        gradientAccumulation: batchSize,
      }),
      uniforms: () => sizes.map((size) => Float64Array.from({ length: size }, () => noise.uniform())),
      fineTuneSteps: Math.floor(fineTuneShare * steps),
      warmUpSteps: Math.floor(warmUpShare * steps),
      seed,
      progress,
      signal,
    });
    reportSparsity(progress, sparsities.at(-1) ?? 0, widths, sizes);
    record("compresso", { ...options, seed }, gates.logAlpha);
    const edits = foldMasks(groups, gates.logAlpha, merge ? adapters : new Map());
    return {
      kept: keepBest(kept, gates.logAlpha, allocate(gates.logAlpha, width)),
      edits: weightEdits(source, edits),
    };
  } finally {
    model.dispose();
  }
}

/** The final width is kept whatever the masks came to, so it is worth knowing how far apart the two are. */
function reportSparsity(
  progress: ProgressListener,
  sparsity: number,
  widths: readonly number[],
  sizes: readonly number[],
): void {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const target = 1 - sum(widths) / sum(sizes);
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  progress({
    type: target - sparsity > 0.05 ? "warning" : "info",
    message: `compresso: the masks ended at an expected sparsity of ${percent(sparsity)}; ${percent(target)} of the neurons are removed.${target - sparsity > 0.05 ? " Give more steps, or a higher maskLr." : ""}`,
  });
}

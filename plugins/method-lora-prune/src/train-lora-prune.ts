import type { ProgressListener } from "@sdmprune/core";
import {
  adapterValues,
  loraParameters,
  train,
  type AdapterValues,
  type TrainingHooks,
  type TrainingPlan,
} from "@sdmprune/lora";
import { adapterWeightName, llamaTensorName, type Adapters, type CausalLM } from "@sdmprune/models";
import { readFloat64, tf } from "@sdmprune/tensor";
import { cubicSparsity, widthAt } from "./cubic-schedule.js";
import { GrowingMasks } from "./growing-masks.js";
import { mlpSalience, type AdaptedLayer } from "./lora-salience.js";

export interface LoraPruneTraining {
  readonly model: CausalLM;
  readonly recompute: boolean;
  /** Final width of every layer. */
  readonly widths: readonly number[];
  /** The windows of every step. */
  readonly plan: TrainingPlan;
  readonly seed: number;
  readonly progress: ProgressListener;
  readonly signal: AbortSignal;
  readonly lr: number;
  readonly r: number;
  readonly loraAlpha: number;
  readonly maxGradNorm: number;
  readonly ema: number;
  readonly pruneFreq: number;
  /** Adapters to start from instead of random ones; copied. */
  readonly initial?: Adapters;
}

export interface LoraPruneResult {
  /** Running mean of the salience, per layer; shape `[F]`; 0 for neurons that were masked. */
  readonly scores: readonly Float64Array[];
  /** Exactly `widths[l]` neurons of each layer, ascending. */
  readonly kept: readonly Int32Array[];
  readonly adapters: ReadonlyMap<string, AdapterValues>;
  /** Cross-entropy of every step's windows before its update. */
  readonly losses: readonly number[];
}

/** Trains adapters on all linear layers while masks of the MLP neurons grow along the schedule. */
export async function trainLoraPrune(training: LoraPruneTraining): Promise<LoraPruneResult> {
  const { model, plan, widths, seed, r, loraAlpha, lr, maxGradNorm, initial } = training;
  const masks = new GrowingMasks(model.config.intermediateSizes, training.ema);
  const adapters = loraParameters(
    model,
    { r, loraAlpha, loraDropout: 0, targetModules: "all-linear", useRslora: false },
    { seed, ...(initial && { initial }) },
  );
  const losses: number[] = [];
  const pruning = pruningHooks(training, masks, adapters.adapters);
  try {
    await train(
      model,
      adapters,
      plan,
      {
        learningRate: lr,
        weightDecay: 0,
        schedule: "constant",
        maxGradNorm,
        seed,
        recompute: training.recompute,
        progress: training.progress,
        signal: training.signal,
      },
      { hooks: pruning.hooks, step: ({ loss }) => void losses.push(loss) },
    );
    const values = await adapterValues(adapters.adapters);
    return { scores: masks.scores, kept: masks.select(widths), adapters: values, losses };
  } finally {
    pruning.dispose();
    adapters.dispose();
  }
}

/** Observes the salience of every step, and masks the model in its passes. */
function pruningHooks(
  { model, widths, plan, pruneFreq }: LoraPruneTraining,
  masks: GrowingMasks,
  adapters: Adapters,
): { readonly hooks: TrainingHooks; dispose(): void } {
  const sizes = model.config.intermediateSizes;
  let neuronMasks: tf.Tensor1D[] | undefined; // none while all neurons are left
  const widthsAfter = (step: number): number[] =>
    sizes.map((size, layer) => {
      const width = widths[layer]!;
      return widthAt(cubicSparsity(step, plan.totalSteps, 1 - width / size), size, width);
    });
  return {
    hooks: {
      pass: () => (neuronMasks ? { neuronMasks } : {}),
      async onGradients({ gradients }) {
        masks.observe(await salienceOfLayers(model, adapters, gradients));
      },
      onStep({ step }) {
        if (step % pruneFreq !== 0) return;
        masks.grow(widthsAfter(step));
        tf.dispose(neuronMasks ?? []);
        neuronMasks = masks.areOpen() ? undefined : masks.masks.map((mask) => tf.tensor1d(mask));
      },
    },
    dispose: () => tf.dispose(neuronMasks ?? []),
  };
}

/** Salience of every neuron by the gradients of one step; shape `[F]` per layer. */
async function salienceOfLayers(
  model: CausalLM,
  adapters: Adapters,
  gradients: ReadonlyMap<string, tf.Tensor>,
): Promise<Float64Array[]> {
  const all: Float64Array[] = [];
  for (let layer = 0; layer < model.config.numLayers; layer++) {
    const weights = await model.mlpWeights(layer);
    const adapted = (part: "gate" | "up" | "down"): AdaptedLayer => {
      const module = llamaTensorName({ layer, part: `mlp.${part}_proj.weight` }).slice(0, -".weight".length);
      const gradient = (matrix: "A" | "B"): tf.Tensor2D =>
        gradients.get(adapterWeightName(module, matrix)) as tf.Tensor2D;
      const { a, b, scaling } = adapters.get(module)!;
      return { weight: weights[part], a, b, aGrad: gradient("A"), bGrad: gradient("B"), scaling };
    };
    const salience = mlpSalience({ gate: adapted("gate"), up: adapted("up"), down: adapted("down") });
    all.push(await readFloat64(salience));
    tf.dispose([salience, { ...weights }]);
  }
  return all;
}

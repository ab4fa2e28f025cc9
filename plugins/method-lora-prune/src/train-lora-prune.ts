import { InterruptedError, startTask, type ProgressListener } from "@sdmprune/core";
import { AdapterSteps, disposeGradients, type AdapterGradients, type AdapterValues } from "@sdmprune/lora";
import { llamaTensorName, type CausalLM } from "@sdmprune/models";
import { readFloat64, tf } from "@sdmprune/tensor";
import { cubicSparsity, widthAt } from "./cubic-schedule.js";
import { GrowingMasks } from "./growing-masks.js";
import { mlpSalience, type AdaptedLayer } from "./lora-salience.js";

export interface LoraPruneTraining {
  readonly model: CausalLM;
  readonly recompute: boolean;
  /** Final width of every layer. */
  readonly widths: readonly number[];
  /** Windows of token ids, one batch for every step. */
  readonly batches: Iterator<readonly Int32Array[]>;
  readonly seed: number;
  readonly progress: ProgressListener;
  readonly signal: AbortSignal;
  readonly steps: number;
  readonly lr: number;
  readonly r: number;
  readonly loraAlpha: number;
  readonly maxGradNorm: number;
  readonly ema: number;
  readonly pruneFreq: number;
  /** First values of the adapters, for comparison with another implementation. */
  readonly initialA?: (module: string) => Float32Array;
}

export interface LoraPruneResult {
  /** Running mean of the salience, per layer; shape `[F]`; 0 for neurons that were masked. */
  readonly scores: readonly Float64Array[];
  /** Exactly `widths[l]` neurons of each layer, ascending. */
  readonly kept: readonly Int32Array[];
  readonly adapters: ReadonlyMap<string, AdapterValues>;
  /** Cross-entropy of every step's batch before its update. */
  readonly losses: readonly number[];
}

/** Trains adapters on all linear layers while masks of the MLP neurons grow along the schedule. */
export async function trainLoraPrune(training: LoraPruneTraining): Promise<LoraPruneResult> {
  const { model, widths, batches, progress, signal, steps, lr, pruneFreq } = training;
  const sizes = model.config.intermediateSizes;
  const masks = new GrowingMasks(sizes, training.ema);
  const adapters = new AdapterSteps(model, {
    ...training,
    learningRate: lr,
    modules: [...model.linearModules.keys()],
  });
  const task = startTask(progress, "train and prune: lora-prune", { total: steps, unit: "steps" });
  const losses: number[] = [];
  try {
    for (let step = 1; step <= steps; step++) {
      if (signal.aborted) throw new InterruptedError("Interrupted while training.");
      const windows = batches.next().value as readonly Int32Array[];
      const gradients = await withMasks(
        masks,
        (neuronMasks) =>
        adapters.gradients(windows.map((ids) => ({ ids, neuronMasks })), signal), // prettier-ignore
      );
      losses.push(gradients.loss);
      try {
        masks.observe(await salienceOfLayers(model, adapters, gradients));
      } catch (error) {
        disposeGradients(gradients);
        throw error;
      }
      await adapters.apply(gradients);
      if (step % pruneFreq === 0) {
        masks.grow(
          sizes.map((size, l) =>
            widthAt(cubicSparsity(step, steps, 1 - widths[l]! / size), size, widths[l]!),
          ),
        );
      }
      task.advance(step);
    }
    return { scores: masks.scores, kept: masks.select(widths), adapters: await adapters.values(), losses };
  } finally {
    task.end();
    adapters.dispose();
  }
}

/** Runs `body` with the masks as tensors; without any while all neurons are left. */
async function withMasks<R>(
  { masks }: GrowingMasks,
  body: (neuronMasks: readonly tf.Tensor1D[] | undefined) => Promise<R>,
): Promise<R> {
  if (masks.every((mask) => mask.every((value) => value === 1))) return body(undefined);
  const tensors = masks.map((mask) => tf.tensor1d(mask));
  try {
    return await body(tensors);
  } finally {
    tf.dispose(tensors);
  }
}

/** Salience of every neuron by the gradients of one step; shape `[F]` per layer. */
async function salienceOfLayers(
  model: CausalLM,
  adapters: AdapterSteps,
  { of }: AdapterGradients,
): Promise<Float64Array[]> {
  const all: Float64Array[] = [];
  for (let layer = 0; layer < model.config.numLayers; layer++) {
    const weights = await model.mlpWeights(layer);
    const adapted = (part: "gate" | "up" | "down"): AdaptedLayer => {
      const module = llamaTensorName({ layer, part: `mlp.${part}_proj.weight` }).slice(0, -".weight".length);
      const gradient = of.get(module)!;
      const { a, b } = adapters.adapter(module);
      return { weight: weights[part], a, b, aGrad: gradient.a, bGrad: gradient.b, scaling: adapters.scaling };
    };
    const salience = mlpSalience({ gate: adapted("gate"), up: adapted("up"), down: adapted("down") });
    all.push(await readFloat64(salience));
    tf.dispose([salience, { ...weights }]);
  }
  return all;
}

import { InterruptedError, startTask, type ProgressListener } from "@sdmprune/core";
import { AdapterSteps, disposeGradients, type AdapterValues } from "@sdmprune/lora";
import type { CausalLM } from "@sdmprune/models";
import { readFloat64, tf } from "@sdmprune/tensor";
import { Lagrangian } from "./lagrangian.js";
import type { NeuronGates } from "./neuron-gates.js";

export interface CompressoTraining {
  readonly model: CausalLM;
  readonly recompute: boolean;
  /** Final width of every layer; what is not kept is the target sparsity. */
  readonly widths: readonly number[];
  /** Windows of token ids, one batch for every step. */
  readonly batches: Iterator<readonly Int32Array[]>;
  /** Uniforms in [0, 1) of a pass, one per neuron of each layer. */
  readonly uniforms: () => readonly Float64Array[];
  /** Masks at the start. */
  readonly gates: NeuronGates;
  readonly seed: number;
  readonly progress: ProgressListener;
  readonly signal: AbortSignal;
  readonly steps: number;
  /** Steps before masks come in. */
  readonly fineTuneSteps: number;
  /** Steps with masks until the target sparsity is the final one. */
  readonly warmUpSteps: number;
  readonly lr: number;
  readonly lagrangianLr: number;
  readonly r: number;
  readonly loraAlpha: number;
  readonly maxGradNorm: number;
  readonly constraint: "layer" | "model";
  /** First values of the adapters, for comparison with another implementation. */
  readonly initialA?: (module: string) => Float32Array;
}

export interface CompressoResult {
  readonly adapters: ReadonlyMap<string, AdapterValues>;
  readonly lagrangian: Lagrangian;
  /** Cross-entropy of every step's batch before its update. */
  readonly losses: readonly number[];
  /** Expected sparsity of the masks, mean of the constraints, at every step with masks. */
  readonly sparsities: readonly number[];
}

/** Learns masks of the MLP neurons, whose sparsity is held at a rising target, together with adapters on q and v. */
export async function trainCompresso(training: CompressoTraining): Promise<CompressoResult> {
  const { model, widths, gates, batches, progress, signal, steps, fineTuneSteps, warmUpSteps } = training;
  const sizes = model.config.intermediateSizes;
  const adapters = new AdapterSteps(model, {
    ...training,
    learningRate: training.lr,
    modules: [...model.linearModules.keys()].filter((name) => /\.[qv]_proj$/.test(name)),
  });
  const numConstraints = training.constraint === "layer" ? sizes.length : 1;
  const lagrangian = new Lagrangian(numConstraints, training.lagrangianLr);
  const task = startTask(progress, "train and prune: compresso", { total: steps, unit: "steps" });
  const losses: number[] = [];
  const sparsities: number[] = [];
  try {
    for (let step = 1; step <= steps; step++) {
      if (signal.aborted) throw new InterruptedError("Interrupted while training.");
      const windows = batches.next().value as readonly Int32Array[];
      if (step <= fineTuneSteps) {
        const gradients = await adapters.gradients(windows.map((ids) => ({ ids })), signal); // prettier-ignore
        losses.push(gradients.loss);
        await adapters.apply(gradients);
      } else {
        const { gradients, byLogAlpha } = await maskedGradients(training, adapters, windows);
        losses.push(gradients.loss);
        await adapters.apply(gradients);
        const progressed = warmUpSteps === 0 ? 1 : Math.min(1, (step - fineTuneSteps) / warmUpSteps);
        const targets = sizes.map((size, l) => progressed * (1 - widths[l]! / size));
        const penalty = lagrangian.step(gates.logAlpha, targets);
        for (const [l, row] of byLogAlpha.entries())
          row.forEach((g, n) => (row[n] = g + penalty.byLogAlpha[l]![n]!));
        gates.update(byLogAlpha);
        sparsities.push(penalty.sparsity.reduce((sum, s) => sum + s, 0) / penalty.sparsity.length);
      }
      task.advance(step);
    }
    return { adapters: await adapters.values(), lagrangian, losses, sparsities };
  } finally {
    task.end();
    adapters.dispose();
  }
}

/** Gradients of the windows' mean cross-entropy by the adapters and by log_alpha, with masks drawn for each window. */
async function maskedGradients(
  { gates, uniforms, signal }: CompressoTraining,
  adapters: AdapterSteps,
  windows: readonly Int32Array[],
) {
  const drawn = windows.map(() => gates.sample(uniforms()));
  const tensors = drawn.map((masks) =>
    masks.map((layer) => tf.tensor1d(Float32Array.from(layer, ({ z }) => z))),
  );
  const byMask = windows.map(() => new Map<number, tf.Tensor1D>());
  try {
    const gradients = await adapters.gradients(
      windows.map((ids, i) => ({
        ids,
        neuronMasks: tensors[i]!,
        onNeuronMask: (layer, gradient) => void byMask[i]!.set(layer, tf.clone(gradient)),
      })),
      signal,
    );
    try {
      const byLogAlpha = gates.logAlpha.map((layer) => new Float64Array(layer.length));
      for (const [i, masks] of drawn.entries()) {
        for (const [l, layer] of masks.entries()) {
          const gradient = await readFloat64(byMask[i]!.get(l)!);
          layer.forEach(
            ({ derivative }, n) => (byLogAlpha[l]![n]! += (gradient[n]! * derivative) / windows.length),
          );
        }
      }
      return { gradients, byLogAlpha };
    } catch (error) {
      disposeGradients(gradients);
      throw error;
    }
  } finally {
    tf.dispose([tensors, byMask.flatMap((each) => [...each.values()])]);
  }
}

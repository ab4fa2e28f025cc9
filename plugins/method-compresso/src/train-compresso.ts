import type { ProgressListener } from "@sdmprune/core";
import {
  adapterValues,
  loraParameters,
  train,
  type AdapterValues,
  type TrainingHooks,
  type TrainingPlan,
} from "@sdmprune/lora";
import type { Adapters, CausalLM } from "@sdmprune/models";
import { readFloat64, tf } from "@sdmprune/tensor";
import type { SampledMask } from "./hard-concrete.js";
import { Lagrangian } from "./lagrangian.js";
import type { NeuronGates } from "./neuron-gates.js";

export interface CompressoTraining {
  readonly model: CausalLM;
  readonly recompute: boolean;
  /** Final width of every layer; what is not kept is the target sparsity. */
  readonly widths: readonly number[];
  /** The windows of every step. */
  readonly plan: TrainingPlan;
  /** Uniforms in [0, 1) of a pass, one per neuron of each layer. */
  readonly uniforms: () => readonly Float64Array[];
  /** Masks at the start; they move. */
  readonly gates: NeuronGates;
  readonly seed: number;
  readonly progress: ProgressListener;
  readonly signal: AbortSignal;
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
  /** Adapters to start from instead of random ones; copied. */
  readonly initial?: Adapters;
}

export interface CompressoResult {
  readonly adapters: ReadonlyMap<string, AdapterValues>;
  readonly lagrangian: Lagrangian;
  /** Cross-entropy of every step's windows before its update. */
  readonly losses: readonly number[];
  /** Expected sparsity of the masks, mean of the constraints, at every step with masks. */
  readonly sparsities: readonly number[];
}

/** Learns masks of the MLP neurons, whose sparsity is held at a rising target, together with adapters on q and v. */
export async function trainCompresso(training: CompressoTraining): Promise<CompressoResult> {
  const { model, plan, seed, r, loraAlpha, lr, maxGradNorm, constraint, initial } = training;
  const numConstraints = constraint === "layer" ? model.config.numLayers : 1;
  const lagrangian = new Lagrangian(numConstraints, training.lagrangianLr);
  const adapters = loraParameters(
    model,
    { r, loraAlpha, loraDropout: 0, targetModules: ["q_proj", "v_proj"], useRslora: false },
    { seed, ...(initial && { initial }) },
  );
  const losses: number[] = [];
  const masking = maskingHooks(training, lagrangian);
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
      { hooks: masking.hooks, step: ({ loss }) => void losses.push(loss) },
    );
    const { sparsities } = masking;
    return { adapters: await adapterValues(adapters.adapters), lagrangian, losses, sparsities };
  } finally {
    masking.dispose();
    adapters.dispose();
  }
}

/** Masks that were drawn for a pass, and the gradients of its loss by them. */
interface MaskedPass {
  readonly masks: readonly (readonly SampledMask[])[];
  readonly tensors: readonly tf.Tensor1D[];
  readonly gradients: Map<number, tf.Tensor1D>;
}

/** Draws masks for every pass, and moves log_alpha and the multipliers at every step. */
function maskingHooks(
  { gates, uniforms, widths, model, fineTuneSteps, warmUpSteps }: CompressoTraining,
  lagrangian: Lagrangian,
): { readonly hooks: TrainingHooks; readonly sparsities: readonly number[]; dispose(): void } {
  const sizes = model.config.intermediateSizes;
  const passes: MaskedPass[] = [];
  const sparsities: number[] = [];
  const freePasses = (): void => {
    for (const { tensors, gradients } of passes.splice(0)) tf.dispose([...tensors, ...gradients.values()]);
  };
  const hooks: TrainingHooks = {
    pass({ step }) {
      if (step <= fineTuneSteps) return {};
      const masks = gates.sample(uniforms());
      const tensors = masks.map((layer) => tf.tensor1d(Float32Array.from(layer, ({ z }) => z)));
      const gradients = new Map<number, tf.Tensor1D>();
      passes.push({ masks, tensors, gradients });
      return {
        neuronMasks: tensors,
        observer: { neuronMask: (layer, gradient) => void gradients.set(layer, tf.clone(gradient)) },
      };
    },
    async onGradients({ step }) {
      if (step <= fineTuneSteps) return;
      const byLogAlpha = gates.logAlpha.map((layer) => new Float64Array(layer.length));
      for (const pass of passes) await addGradients(pass, byLogAlpha);
      freePasses();
      const rise = warmUpSteps === 0 ? 1 : Math.min(1, (step - fineTuneSteps) / warmUpSteps);
      const targets = sizes.map((size, layer) => rise * (1 - widths[layer]! / size));
      const penalty = lagrangian.step(gates.logAlpha, targets);
      gates.update(byLogAlpha.map((row, layer) => row.map((g, n) => g + penalty.byLogAlpha[layer]![n]!)));
      sparsities.push(penalty.sparsity.reduce((sum, s) => sum + s, 0) / penalty.sparsity.length);
    },
  };
  return { hooks, sparsities, dispose: freePasses };
}

/** Adds the gradients of a pass by log_alpha: those by the masks times the masks' derivatives. */
async function addGradients({ masks, gradients }: MaskedPass, sums: readonly Float64Array[]): Promise<void> {
  for (const [layer, sum] of sums.entries()) {
    const gradient = await readFloat64(gradients.get(layer)!);
    masks[layer]!.forEach(({ derivative }, n) => (sum[n]! += gradient[n]! * derivative));
  }
}

import { Rng } from "@sdmprune/core";
import { adapterWeightName, type CausalLM, type ModuleAdapter } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { checkLoraConfig, loraScaling, targetedModules, type LoraConfig } from "./lora-config.js";

/** One tensor that training changes: float32 master values, which the model computes with. */
export interface TrainableParameter {
  /** As a model's `BlockObserver` is told its gradient, or a name of the owner's. */
  readonly name: string;
  readonly variable: tf.Variable;
  /** Whether weight decay applies: to matrices, not to biases and the weights of norms. */
  readonly decays: boolean;
}

/** What is trained: parameters of a model, which is ready to compute with them. */
export interface Trainable {
  readonly parameters: readonly TrainableParameter[];
  /** The adapters, if these are what is trained. */
  readonly adapters?: ReadonlyMap<string, ModuleAdapter>;
  /** Takes adapters away from the model and frees them. Parameters of the model itself stay its own. */
  dispose(): void;
}

/**
 * Gives a model adapters to train; its own weights are frozen: their gradients are never computed. `lora_A` starts uniform in
 * `±1/sqrt(I)` (Kaiming with `a = sqrt(5)`, as PEFT does), `lora_B` at zero, so that the model starts as it was.
 *
 * @param initial - Adapters to go on with instead; copied.
 * @throws {UsageError} If a setting is out of range or a target names no layer.
 */
export function loraParameters(
  model: CausalLM,
  config: LoraConfig,
  { seed, initial }: { seed: number; initial?: ReadonlyMap<string, ModuleAdapter> },
): Trainable & { readonly adapters: ReadonlyMap<string, ModuleAdapter> } {
  checkLoraConfig(config);
  const adapters = new Map<string, ModuleAdapter>();
  const parameters: TrainableParameter[] = [];
  for (const module of initial?.keys() ?? targetedModules(model.linearModules, config)) {
    const given = initial?.get(module);
    const [outputs, inputs] = model.linearModules.get(module) ?? [0, 0];
    const a = variableOf(
      given ? tf.clone(given.a) : initialA(config.r, inputs, new Rng(seed, `lora/${module}`)),
    );
    const b = variableOf(given ? tf.clone(given.b) : tf.zeros([outputs, config.r]));
    parameters.push(
      { name: adapterWeightName(module, "A"), variable: a, decays: true },
      { name: adapterWeightName(module, "B"), variable: b, decays: true },
    );
    adapters.set(module, {
      a: a as unknown as tf.Tensor2D,
      b: b as unknown as tf.Tensor2D,
      scaling: given?.scaling ?? loraScaling(config, module),
      dropout: config.loraDropout,
    });
  }
  const dispose = (): void => {
    model.setAdapters();
    for (const { variable } of parameters) variable.dispose();
  };
  try {
    model.setAdapters(adapters);
  } catch (error) {
    dispose();
    throw error;
  }
  return { adapters, parameters, dispose };
}

/** Makes all parameters of a model trainable, the embeddings and norms included; a tied head trains with the embedding. */
export async function allParameters(model: CausalLM): Promise<Trainable> {
  const parameters: TrainableParameter[] = [];
  for (const name of model.parameterNames) {
    const variable = variableOf(await model.parameter(name));
    model.setParameter(name, variable); // which disposes it with the model
    parameters.push({ name, variable, decays: variable.rank > 1 });
  }
  return { parameters, dispose: () => {} };
}

function variableOf(initial: tf.Tensor): tf.Variable {
  try {
    return tf.variable(initial);
  } finally {
    initial.dispose();
  }
}

function initialA(r: number, inputs: number, rng: Rng): tf.Tensor2D {
  const bound = 1 / Math.sqrt(inputs);
  return tf.tensor2d(
    Float32Array.from({ length: r * inputs }, () => bound * (2 * rng.uniform() - 1)),
    [r, inputs],
  );
}

import { FormatError } from "@sdmprune/core";
import { fromFloat32, type SafetensorsFile, type TensorToWrite } from "@sdmprune/model-io";
import { tf } from "@sdmprune/tensor";
import type { AdamWOptimizer } from "./optimizer.js";
import type { TrainableParameter } from "./trainable.js";
import type { TrainingHooks } from "./training-hooks.js";

/** How far a training is. Where it stands in the data and in its random numbers follows from the step. */
export interface TrainingProgress {
  readonly step: number;
  readonly tokens: number;
  readonly elapsedMs: number;
}

/** A training at one step, to be written down. */
export class TrainingSnapshot {
  constructor(
    readonly progress: TrainingProgress,
    private readonly parameters: readonly TrainableParameter[],
    private readonly optimizer: AdamWOptimizer,
    private readonly hooks: TrainingHooks,
  ) {}

  /** Parameters, moments and the hooks' own, float32. */
  tensors(): TensorToWrite[] {
    const moments = this.optimizer.state();
    return [
      ...this.parameters.map(({ name, variable }) => toWrite(`parameter/${name}`, variable)),
      ...moments.map(({ name, m }) => toWrite(`m/${name}`, m)),
      ...moments.map(({ name, v }) => toWrite(`v/${name}`, v)),
      ...[...(this.hooks.state?.() ?? [])].map(([name, tensor]) => toWrite(`hook/${name}`, tensor)),
    ];
  }

  /** Steps of each parameter's moments, which may differ where a parameter had no gradient. */
  momentSteps(): Record<string, number> {
    return Object.fromEntries(this.optimizer.state().map(({ name, steps }) => [name, steps]));
  }
}

/** A {@link TrainingSnapshot} that was read back. */
export interface SavedTraining extends TrainingProgress {
  readonly momentSteps: Readonly<Record<string, number>>;
  /** By the names of {@link TrainingSnapshot.tensors}; taken over. */
  readonly tensors: ReadonlyMap<string, tf.Tensor>;
}

/** Reads all tensors of a snapshot's file. */
export async function readSnapshotTensors(file: SafetensorsFile): Promise<Map<string, tf.Tensor>> {
  const tensors = new Map<string, tf.Tensor>();
  for (const name of file.names) {
    tensors.set(name, tf.tensor(await file.readFloat32(name), [...file.tensor(name).shape], "float32"));
  }
  return tensors;
}

/**
 * Puts a training where it was.
 *
 * @throws {FormatError} If a tensor is missing or has another shape.
 */
export function restoreTraining(
  { tensors, momentSteps }: SavedTraining,
  parameters: readonly TrainableParameter[],
  optimizer: AdamWOptimizer,
  hooks: TrainingHooks,
): void {
  const left = new Map(tensors);
  const take = (name: string, shape: readonly number[]): tf.Tensor => {
    const tensor = left.get(name);
    if (tensor?.shape.join() !== shape.join()) {
      const got = tensor ? `[${tensor.shape.join(", ")}]` : "none";
      throw new FormatError(`Checkpoint: expected "${name}" of shape [${shape.join(", ")}], got ${got}.`);
    }
    left.delete(name);
    return tensor;
  };
  try {
    for (const { name, variable } of parameters) {
      const value = take(`parameter/${name}`, variable.shape);
      variable.assign(value);
      value.dispose();
      const steps = momentSteps[name];
      if (steps === undefined) continue;
      const m = take(`m/${name}`, variable.shape);
      optimizer.restore(name, { m, v: take(`v/${name}`, variable.shape), steps });
    }
    const hookTensors = [...left].filter(([name]) => name.startsWith("hook/"));
    for (const [name] of hookTensors) left.delete(name);
    const state = new Map(hookTensors.map(([name, tensor]) => [name.slice("hook/".length), tensor]));
    if (hooks.restore) hooks.restore(state);
    else tf.dispose([...state.values()]);
  } finally {
    tf.dispose([...left.values()]);
  }
}

function toWrite(name: string, tensor: tf.Tensor): TensorToWrite {
  return {
    name,
    dtype: "F32",
    shape: tensor.shape,
    data: async () => fromFloat32((await tensor.data()) as Float32Array, "F32"),
  };
}

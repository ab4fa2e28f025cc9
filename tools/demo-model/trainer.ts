import { NonFiniteError } from "@sdmprune/core";
import { fromFloat32, openSafetensors, serializeSafetensors, type TensorToWrite } from "@sdmprune/model-io";
import { forwardBackward, type CausalLM } from "@sdmprune/models";
import { languageModelLoss, tf } from "@sdmprune/tensor";
import { learningRateAt } from "./learning-rate.js";
import type { TrainingSettings } from "./settings.js";

interface NamedTensor {
  name: string;
  tensor: tf.Tensor;
}

/** Trains all parameters of a model with Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980). */
export interface Trainer {
  /** Steps done so far. */
  readonly step: number;
  /**
   * One update on a batch of windows.
   *
   * @param ids - `batch` windows of token ids, row-major.
   * @returns Mean cross-entropy before the update, in nats.
   * @throws {NonFiniteError} If the loss or a gradient is NaN or infinite.
   */
  update(ids: Int32Array): Promise<number>;
  /** Everything needed to go on later, as a safetensors file: parameters, both moments, and the step. After an update. */
  save(): Promise<Uint8Array>;
  /** Goes on from what {@link Trainer.save} returned. */
  restore(state: Uint8Array): Promise<void>;
  dispose(): void;
}

/**
 * @param model - Its parameters become `tf.Variable`s, which the model computes with from now on and disposes.
 */
export async function createTrainer(model: CausalLM, settings: TrainingSettings): Promise<Trainer> {
  const names = model.parameterNames;
  const variables = new Map<string, tf.Variable>();
  for (const name of names) {
    const value = await model.parameter(name);
    const variable = tf.variable(value);
    value.dispose();
    model.setParameter(name, variable);
    variables.set(name, variable);
  }
  const optimizer = tf.train.adam(settings.learningRate, settings.beta1, settings.beta2, settings.epsilon);
  const momentNames = ["m", "v"].flatMap((moment) => names.map((name) => `${name}/${moment}`));
  let step = 0;

  /** One gradient a parameter, always in the same order: Adam pairs them with its moments by position. */
  const differentiate = async (ids: Int32Array): Promise<{ loss: number; gradients: NamedTensor[] }> => {
    const seen = new Map<string, tf.Tensor>();
    const { loss } = await forwardBackward(model, {
      ids,
      batch: settings.batch,
      observer: {
        wantsWeight: () => true,
        weight: (name, gradient) => void seen.set(name, tf.clone(gradient)),
      },
      lossFn: (input) => languageModelLoss({ ...input, loss: { kind: "cross-entropy" } }),
    });
    const gradients = names.map((name) => ({ name: variables.get(name)!.name, tensor: seen.get(name)! }));
    return { loss, gradients };
  };

  return {
    get step() {
      return step;
    },
    async update(ids) {
      const { loss, gradients } = await differentiate(ids);
      const norm = await globalNorm(gradients);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        disposeAll(gradients);
        throw new NonFiniteError(
          `Training step ${step}: expected a finite loss and gradient, got loss ${loss}, norm ${norm}. Lower the learning rate.`,
        );
      }
      const scale = Math.min(1, settings.maxGradientNorm / norm);
      const clipped = gradients.map(({ name, tensor }) => ({ name, tensor: tf.mul(tensor, scale) }));
      // tfjs has no public setter for the rate, though it reads the field anew in every step.
      (optimizer as unknown as { learningRate: number }).learningRate = learningRateAt(step, settings);
      optimizer.applyGradients(clipped);
      disposeAll(gradients);
      disposeAll(clipped);
      step++;
      return loss;
    },
    async save() {
      const [iterations, ...moments] = await optimizer.getWeights();
      iterations?.tensor.dispose(); // made for us; the moments are the optimizer's own
      const tensors: TensorToWrite[] = [
        ...names.map((name) => toWrite(name, variables.get(name)!)),
        ...momentNames.map((name, i) => toWrite(name, moments[i]!.tensor)),
      ];
      return serializeSafetensors(tensors, { step: String(step) });
    },
    async restore(state) {
      const file = await openSafetensors(state, "training state");
      const read = async (name: string): Promise<tf.Tensor> =>
        tf.tensor(await file.readFloat32(name), [...file.tensor(name).shape]);
      step = Number(file.metadata["step"]);
      for (const [name, variable] of variables) {
        const value = await read(name);
        variable.assign(value);
        value.dispose();
      }
      const weights: NamedTensor[] = [{ name: "iter", tensor: tf.scalar(step, "int32") }];
      for (const name of momentNames) {
        weights.push({ name, tensor: await read(name) });
      }
      disposeAll(await optimizer.getWeights()); // setWeights would leave them behind
      await optimizer.setWeights(weights);
      disposeAll(weights);
    },
    dispose: () => optimizer.dispose(),
  };
}

/** Euclidean norm of all gradients taken together. */
async function globalNorm(gradients: readonly NamedTensor[]): Promise<number> {
  let sum = 0;
  for (const { tensor } of gradients) {
    const squares = tf.tidy(() => tf.sum(tf.square(tensor)));
    sum += (await squares.data())[0]!;
    squares.dispose();
  }
  return Math.sqrt(sum);
}

function disposeAll(tensors: readonly NamedTensor[]): void {
  for (const { tensor } of tensors) {
    tensor.dispose();
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

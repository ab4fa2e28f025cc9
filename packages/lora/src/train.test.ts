import { Rng } from "@sdmprune/core";
import type { TrainingSequence } from "@sdmprune/data";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_LORA } from "./lora-config.js";
import { microBatch } from "./micro-batch.js";
import { train, type TrainingOptions } from "./train.js";
import { allParameters, loraParameters } from "./trainable.js";
import type { TrainingMetrics } from "./training-metrics.js";
import { planTraining, sameEveryEpoch } from "./training-plan.js";

const models: CausalLM[] = [];
beforeAll(activateCpuBackend);
afterEach(() => models.splice(0).forEach((model) => model.dispose()));

async function load(seed = 1): Promise<CausalLM> {
  const tiny = tinyLlama({ seed });
  const model = await llamaFamily.load(tiny.source, llamaFamily.parseConfig(tiny.config));
  models.push(model);
  return model;
}

/** Sequences of one segment each; prompt tokens have no loss on them. */
function rows(lengths: readonly number[]): TrainingSequence[] {
  const rng = new Rng(4, "rows");
  return lengths.map((length, i) => {
    const ids = Int32Array.from({ length }, () => rng.integer(40));
    const labels = ids.map((id, t) => (t < 1 + (i % 3) ? -100 : id));
    return { ids, labels, segmentLengths: [length] };
  });
}

function pack(sequences: readonly TrainingSequence[]): TrainingSequence {
  return {
    ids: Int32Array.from(sequences.flatMap(({ ids }) => [...ids])),
    labels: Int32Array.from(sequences.flatMap(({ labels }) => [...labels])),
    segmentLengths: sequences.flatMap(({ segmentLengths }) => segmentLengths),
  };
}

async function trainLora(
  model: CausalLM,
  sequences: readonly TrainingSequence[],
  options: TrainingOptions & {
    batchSize?: number;
    gradientAccumulation?: number;
    epochs?: number;
    dropout?: number;
  } = {},
): Promise<TrainingMetrics[]> {
  const { batchSize = 1, gradientAccumulation = 1, epochs = 1, dropout = 0, ...rest } = options;
  const trainable = loraParameters(model, { ...DEFAULT_LORA, loraDropout: dropout }, { seed: 2 });
  const plan = planTraining(sameEveryEpoch(sequences), { epochs, batchSize, gradientAccumulation });
  const seen: TrainingMetrics[] = [];
  try {
    await train(
      model,
      trainable,
      plan,
      { learningRate: 5e-3, ...rest },
      { step: (metrics) => void seen.push(metrics) },
    );
    return seen;
  } finally {
    trainable.dispose();
  }
}

describe("train", () => {
  it("gives packed, batched, accumulated and separate sequences the same loss and the same steps", async () => {
    const model = await load();
    const sequences = rows([9, 5, 12, 7]);
    const curve = async (given: readonly TrainingSequence[], options: object): Promise<number[]> =>
      (await trainLora(model, given, { epochs: 4, ...options })).map(({ loss }) => loss);
    const separate = await curve(sequences, { gradientAccumulation: 4 });
    expect(separate).toHaveLength(4);
    expect(separate.at(-1)).toBeLessThan(separate[0]! - 0.05);
    for (const other of [
      await curve(sequences, { batchSize: 4 }),
      await curve(sequences, { batchSize: 2, gradientAccumulation: 2 }),
      await curve([pack(sequences)], {}),
      await curve([pack(sequences)], { recompute: true }),
      await curve([pack(sequences)], { resetPositions: false }), // rotary positions are relative
    ]) {
      other.forEach((loss, i) => expect(Math.abs(loss - separate[i]!)).toBeLessThan(1e-5));
      expect(Math.abs(other[0]! - separate[0]!)).toBeLessThan(1e-6 * separate[0]!);
    }
  });

  it("changes every parameter in full training, and leaves no tensor behind", async () => {
    const model = await load();
    const trainable = await allParameters(model);
    const before = trainable.parameters.map(({ variable }) => variable.dataSync().slice());
    const numTensors = tf.memory().numTensors;
    const plan = planTraining(sameEveryEpoch(rows([9, 5])), {
      epochs: 3,
      batchSize: 1,
      gradientAccumulation: 2,
    });
    const losses: number[] = [];
    await train(
      model,
      trainable,
      plan,
      { learningRate: 1e-2 },
      { step: ({ loss }) => void losses.push(loss) },
    );
    expect(losses[2]).toBeLessThan(losses[0]! - 0.1);
    trainable.parameters.forEach(({ name, variable }, i) => {
      expect(variable.dataSync(), name).not.toEqual(before[i]);
    });
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it("distils: towards the model itself, at temperature 1, there is nothing to learn", async () => {
    const [model, teacher] = [await load(), await load()];
    const [metrics] = await trainLora(model, rows([9]), {
      teacher,
      loss: { kind: "blend", alpha: 1, tau: 1 },
    });
    expect(metrics!.loss).toBeCloseTo(0, 6);
    expect(metrics!.gradNorm).toBeLessThan(1e-5);
    await expect(
      trainLora(model, rows([9]), { loss: { kind: "blend", alpha: 0.5, tau: 1 } }),
    ).rejects.toThrow("train: expected a teacher to distil from, got none.");
  });

  it("measures held-out loss without dropout, at intervals and at the end", async () => {
    const model = await load();
    const heldOut = [microBatch(rows([11]))];
    const metrics = await trainLora(model, rows([9, 5, 12]), { heldOut, evalEvery: 2, dropout: 0.5 });
    expect(metrics.map(({ evalLoss }) => evalLoss !== undefined)).toEqual([false, true, true]);
  });

  it("stops at a loss that is not finite and says where the batch is", async () => {
    const model = await load();
    const trainable = await allParameters(model);
    trainable.parameters[0]!.variable.assign(tf.fill(trainable.parameters[0]!.variable.shape, NaN));
    const plan = planTraining(sameEveryEpoch(rows([9])), {
      epochs: 1,
      batchSize: 1,
      gradientAccumulation: 1,
    });
    await expect(
      train(model, trainable, plan, {}, { saveBatch: () => Promise.resolve("bad-batch.json") }),
    ).rejects.toThrow(
      /^train: step 1: expected a finite loss and gradient, got loss NaN and .* Its batch is in bad-batch\.json\./,
    );
  });

  it("lets a hook take part: parameters of its own, observers and gradients", async () => {
    const model = await load();
    const trainable = loraParameters(model, { ...DEFAULT_LORA, targetModules: ["q_proj"] }, { seed: 0 });
    const own = { name: "mine", variable: tf.variable(tf.scalar(1)), decays: false };
    const plan = planTraining(sameEveryEpoch(rows([9, 5])), {
      epochs: 1,
      batchSize: 1,
      gradientAccumulation: 1,
    });
    const seen: string[] = [];
    await train(
      model,
      trainable,
      plan,
      { schedule: "constant" },
      {
        hooks: {
          groups: [{ parameters: [own], learningRate: () => 0.25, maximizes: true, isClipped: false }],
          beforeStep: ({ step }) => void seen.push(`before ${step}`),
          pass: () => ({ observer: { mlp: ({ layer }) => void seen.push(`mlp ${layer}`) } }),
          onGradients: ({ gradients }) => {
            expect(gradients.has("model.layers.1.self_attn.q_proj.lora_B.weight")).toBe(true);
            gradients.set("mine", tf.scalar(3));
          },
          onStep: ({ step }, { loss }) => void seen.push(`after ${step} ${loss > 0}`),
        },
      },
    );
    expect(own.variable.dataSync()[0]).toBeCloseTo(1.5, 5);
    expect(seen).toEqual([
      "before 1",
      "mlp 1",
      "mlp 0",
      "after 1 true",
      "before 2",
      "mlp 1",
      "mlp 0",
      "after 2 true",
    ]);
    own.variable.dispose();
    trainable.dispose();
  });
});

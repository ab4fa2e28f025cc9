import { Rng } from "@sdmprune/core";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { initialWeights } from "./initial-weights.js";
import { TRAINING, type TrainingSettings } from "./settings.js";
import { createTrainer, type Trainer } from "./trainer.js";

const config = {
  model_type: "llama",
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  hidden_act: "silu",
  initializer_range: 0.1,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  vocab_size: 12,
};
const settings: TrainingSettings = {
  ...TRAINING,
  numSteps: 60,
  batch: 2,
  learningRate: 0.02,
  warmupSteps: 5,
};

/** Two windows that count upwards from a random token. */
function batchAt(step: number): Int32Array {
  const rng = new Rng(1, `batch/${step}`);
  const windows = [rng.integer(12), rng.integer(12)].map((first) =>
    Array.from({ length: 8 }, (_, i) => (first + i) % 12),
  );
  return Int32Array.from(windows.flat());
}

describe("createTrainer", () => {
  const open: { model: CausalLM; trainer: Trainer }[] = [];
  const start = async (
    changes: Partial<TrainingSettings> = {},
  ): Promise<{ model: CausalLM; trainer: Trainer }> => {
    const model = await llamaFamily.load(initialWeights(config, 0), llamaFamily.parseConfig(config), {
      residency: "resident",
    });
    const trainer = await createTrainer(model, { ...settings, ...changes });
    open.push({ model, trainer });
    return { model, trainer };
  };
  const run = async (trainer: Trainer, until: number): Promise<number> => {
    let loss = NaN;
    while (trainer.step < until) loss = await trainer.update(batchAt(trainer.step));
    return loss;
  };
  const close = (): void => {
    for (const { model, trainer } of open.splice(0)) {
      trainer.dispose();
      model.dispose();
    }
  };

  beforeAll(activateCpuBackend);
  afterEach(close);

  it("learns a rule that the tokens follow", async () => {
    const { trainer } = await start();
    const first = await trainer.update(batchAt(0));
    expect(first).toBeCloseTo(Math.log(12), 0);
    expect(await run(trainer, 60)).toBeLessThan(0.3);
  });

  it("goes on from a saved state as if the training had not been interrupted", async () => {
    const { trainer: whole, model } = await start();
    await run(whole, 7);
    const state = await whole.save();
    const expected = await run(whole, 12);
    const name = "model.layers.0.mlp.gate_proj.weight";
    const weight = await model.parameter(name);

    const { trainer: resumed, model: other } = await start();
    await run(resumed, 2); // what it has learnt is replaced
    await resumed.restore(state);
    expect(resumed.step).toBe(7);
    expect(await run(resumed, 12)).toBeCloseTo(expected, 5); // tfjs rounds beta^step differently after a restart
    const resumedWeight = await other.parameter(name);
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(weight, resumedWeight))).dataSync()[0]!);
    tf.dispose([weight, resumedWeight]);
    expect(difference).toBeLessThan(1e-5);
  });

  it("scales gradients down to the largest norm: with Adam's first step the direction alone counts", async () => {
    const { trainer: free, model: freeModel } = await start({ maxGradientNorm: 1e9, epsilon: 1e-12 });
    const { trainer: tight, model: tightModel } = await start({ maxGradientNorm: 1e-3, epsilon: 1e-12 });
    await free.update(batchAt(0));
    await tight.update(batchAt(0));
    const name = "model.layers.1.mlp.up_proj.weight";
    const [a, b] = [await freeModel.parameter(name), await tightModel.parameter(name)];
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);
    tf.dispose([a, b]);
    expect(difference).toBeLessThan(1e-5);
  });

  it("stops at a loss that is not finite and names the step", async () => {
    const { trainer, model } = await start();
    model.setParameter("model.norm.weight", tf.fill([16], NaN));
    await expect(trainer.update(batchAt(0))).rejects.toThrow(
      "Training step 0: expected a finite loss and gradient, got loss NaN",
    );
  });

  it("leaves no tensor behind", async () => {
    await run((await start()).trainer, 1); // whatever the backend keeps
    close();
    const before = tf.memory().numTensors;
    const { trainer } = await start();
    await run(trainer, 2);
    const during = tf.memory().numTensors;
    await run(trainer, 4);
    await trainer.restore(await trainer.save());
    expect(tf.memory().numTensors).toBeLessThanOrEqual(during);
    close();
    expect(tf.memory().numTensors).toBe(before);
  });
});

import { NonFiniteError, ShapeError } from "@sdmprune/core";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FinishedLayer, ImportanceCriterion } from "./criterion.js";
import { finishScores } from "./finish-scores.js";

describe("finishScores", () => {
  const { config, source, values } = tinyLlama();
  const counts = { nsamples: 2, numTokens: 10 };
  let model: CausalLM;
  beforeAll(async () => {
    await activateCpuBackend();
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config), {});
  });
  afterAll(() => model.dispose());

  async function finishAll(finish: ImportanceCriterion["finish"]): Promise<Float64Array[]> {
    const sums = new Map([["mine", [0, 1].map((layer) => new Float64Array(24).fill(layer + 1))]]);
    const criterion: ImportanceCriterion = { needs: {}, ...(finish && { finish }) };
    return (await finishScores(model, new Map([["mine", criterion]]), sums, counts)).get("mine")!;
  }

  it("gives the sums themselves where there is no finish", async () => {
    expect(await finishAll(undefined)).toEqual([new Float64Array(24).fill(1), new Float64Array(24).fill(2)]);
  });

  it("hands over each layer's sums, counts and weights", async () => {
    const seen: Omit<FinishedLayer, "weights">[] = [];
    const gates: Float32Array[] = [];
    await finishAll(({ weights, ...layer }) => {
      seen.push(layer);
      gates.push(weights.gate.dataSync<"float32">());
      return layer.score;
    });
    expect(seen.map(({ layer }) => layer)).toEqual([0, 1]);
    expect(seen[1]).toEqual({ layer: 1, score: new Float64Array(24).fill(2), ...counts });
    expect(gates[1]).toEqual(values("model.layers.1.mlp.gate_proj.weight"));
  });

  it("takes a tensor, a vector or a promise of one, and leaves no tensor behind", async () => {
    await finishAll(({ score }) => score); // loads the MLP weights, which the model keeps
    const before = tf.memory().numTensors;
    expect((await finishAll(() => tf.fill([24], 3)))[0]).toEqual(new Float64Array(24).fill(3));
    const doubled = await finishAll(({ score }) => Promise.resolve(score.map((x) => 2 * x)));
    expect(doubled[1]).toEqual(new Float64Array(24).fill(4));
    await expect(finishAll(() => tf.fill([24], Infinity))).rejects.toThrow(NonFiniteError);
    await expect(
      finishAll(() => {
        throw new Error("in finish");
      }),
    ).rejects.toThrow("in finish");
    expect(tf.memory().numTensors).toBe(before);
  });

  it("names criterion, layer and neuron of what does not fit", async () => {
    await expect(finishAll(({ score }) => score.subarray(1))).rejects.toThrow(ShapeError);
    await expect(finishAll(({ score }) => score.subarray(1))).rejects.toThrow(
      'importance "mine": finish() must return 24 scores for layer 0, got 23.',
    );
    await expect(
      finishAll(({ score, layer }) => score.map((x, n) => (layer === 1 && n === 5 ? -Infinity : x))),
    ).rejects.toThrow('importance "mine": layer 1: neuron 5 got the score -Infinity.');
  });
});

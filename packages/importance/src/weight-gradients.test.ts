import type { CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sweep } from "../test/tiny-llama-fixtures.js";
import { tinyModel, tinySamples } from "../test/tiny-model.js";
import { accumulateScores } from "./calibration-sweep.js";
import type { ImportanceCriterion } from "./criterion.js";
import { createTaylor } from "./criteria/self-distillation.js";

const needs = { gradients: { loss: "cross-entropy" }, weightGradients: "mean" } as const;

/** `mean_h |gate weight * gradient of the mean loss|`; notes what it was shown. */
function salience(seen: number[] = []): ImportanceCriterion {
  return {
    needs,
    finish: ({ layer, weights, weightGradients }) => {
      seen.push(layer);
      return tf.tidy(() => tf.mean(tf.abs(tf.mul(weights.gate, weightGradients!.mean.gate)), 1));
    },
  };
}

/** The mean of each sample's squared gradient, summed over a neuron's gate weights. */
const squares: ImportanceCriterion = {
  needs: { ...needs, weightGradients: "mean-and-square" },
  finish: ({ weightGradients }) => tf.tidy(() => tf.sum(weightGradients!.meanSquare!.gate, 1)),
};

describe("weight gradients", () => {
  const samples = tinySamples(3);
  let model: CausalLM;
  beforeAll(async () => {
    await activateCpuBackend();
    model = await tinyModel();
  });
  afterAll(() => model.dispose());

  it("are the mean over the samples, so that opposite ones cancel and equal ones count once", async () => {
    const [one, twice] = await Promise.all(
      [[samples[0]!], [samples[0]!, samples[0]!]].map((each) => sweep(model, each, { salience: salience() })),
    );
    expect(twice!.get("salience")).toEqual(one!.get("salience"));
  });

  it("are linear in the samples: a sweep of all is no sum of sweeps, but its gradients are", async () => {
    const gradients: Float32Array[] = [];
    const keeping: ImportanceCriterion = {
      needs,
      finish: ({ layer, score, weightGradients }) => {
        if (layer === 1) gradients.push(weightGradients!.mean.down.dataSync() as Float32Array);
        return score;
      },
    };
    for (const each of [samples, ...samples.map((sample) => [sample])]) await sweep(model, each, { keeping });
    const [all, ...alone] = gradients;
    all!.forEach((g, i) => expect(g).toBeCloseTo(alone.reduce((sum, a) => sum + a[i]!, 0) / 3, 6));
  });

  it("come with each sample's squares where they are asked for, from the same pass", async () => {
    const together = await sweep(model, samples, { squares, salience: salience() });
    expect(together.get("salience")).toEqual(
      (await sweep(model, samples, { salience: salience() })).get("salience"),
    );
    const alone = await Promise.all(samples.map((sample) => sweep(model, [sample], { squares })));
    const mean = alone.reduce((sum, each) => sum + each.get("squares")![0]![5]!, 0) / 3;
    expect(together.get("squares")![0]![5]! / mean).toBeCloseTo(1, 5);
  });

  it.each([{ microBatch: 2 }, { recompute: true }, { microBatch: 3, recompute: true }])(
    "are the same bits with %j, and leave no tensor behind",
    async (policy) => {
      const expected = await sweep(model, samples, { salience: salience() });
      const before = tf.memory().numTensors;
      expect(await sweep(model, samples, { salience: salience() }, policy)).toEqual(expected);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it("are freed when the sweep fails", async () => {
    const before = tf.memory().numTensors;
    const failing: ImportanceCriterion = {
      needs,
      finish: () => {
        throw new Error("no");
      },
    };
    await expect(sweep(model, samples, { failing })).rejects.toThrow("no");
    expect(tf.memory().numTensors).toBe(before);
  });

  it("are shown to finish once for each layer", async () => {
    const seen: number[] = [];
    await sweep(model, samples, { salience: salience(seen) });
    expect(seen).toEqual([0, 1]);
  });

  it("cannot be gone on with, or taken apart", async () => {
    const criteria = new Map([["salience", salience()]]);
    const progress = (): void => {};
    const sums = new Map([["salience", [0, 1].map(() => new Float64Array(24))]]);
    const resumeFrom = { sums, nsamples: 1, numTokens: 10 };
    await expect(
      sweep(model, samples, { taylor: createTaylor(), salience: salience() }, { resumeFrom }),
    ).rejects.toThrow(
      'resumeFrom: importance "salience" keeps more than sums of increments; its sweep must start over.',
    );
    await expect(accumulateScores({ student: model, samples, criteria, progress })).rejects.toThrow(
      'importance "salience": needs weight gradients over all samples at once; expected it in a whole sweep, got a part of one.',
    );
  });
});

import { ShapeError } from "@sdmprune/core";
import { llamaFamily } from "@sdmprune/models/families";
import { describe, expect, it } from "vitest";
import { achievedRatios, countOf, countParameters, modelShape, type ModelShape } from "./model-shape.js";
import { targetWidth } from "./target-width.js";

/** Llama-3.2-1B, from its published config. */
const raw = {
  model_type: "llama",
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  vocab_size: 128256,
};

function shapeOf(more: object = {}): ModelShape {
  const config = llamaFamily.parseConfig({ ...raw, tie_word_embeddings: true, ...more });
  const tensors = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  return modelShape(llamaFamily.prunableGroups(config), tensors, (name) => llamaFamily.isEmbedding(name));
}
const widths = (width: number) => new Array<number>(16).fill(width);

describe("the parameter counts of Llama-3.2-1B", () => {
  const shape = shapeOf();

  it("are the published ones, with the tied embedding counted once", () => {
    expect(shape.embeddingParameters).toBe(262_668_288);
    const mlp = 805_306_368;
    const [attention, norms] = [167_772_160, 67_584];
    expect(countParameters(shape)).toEqual({
      total: 1_235_814_400,
      nonEmbedding: attention + mlp + norms,
      mlp,
    });
    expect(shape.neuronSizes.reduce((a, b) => a + b)).toBe(98_304); // one neuron in each of the 16 layers
  });

  it.each([
    [7987, 1.63, 97.5, 1215.7],
    [5681, 19.97, 69.3, 989.0],
    [5613, 20.51, 68.5, 982.3],
    [4425, 29.96, 54.0, 865.5],
    [3170, 39.95, 38.7, 742.1],
  ])(
    "at width %i are %f %% less, with %f %% of the MLPs: %f million",
    (width, removed, mlpKept, millions) => {
      const after = countParameters(shape, widths(width));
      const ratios = achievedRatios(countParameters(shape), after);
      expect(100 * ratios.total).toBeCloseTo(removed, 2);
      expect(100 * (1 - ratios.mlp)).toBeCloseTo(mlpKept, 1);
      expect(after.total / 1e6).toBeCloseTo(millions, 1);
      expect(after.nonEmbedding).toBe(after.total - 262_668_288);
    },
  );

  it("count an LM head of its own, and biases of the neurons", () => {
    const untied = shapeOf({ tie_word_embeddings: false });
    expect(untied.embeddingParameters).toBe(2 * 262_668_288);
    expect(countParameters(untied).nonEmbedding).toBe(countParameters(shape).nonEmbedding);
    const biased = shapeOf({ mlp_bias: true });
    expect(biased.neuronSizes).toEqual(widths(3 * 2048 + 2));
    expect(biased.totalParameters).toBe(shape.totalParameters + 16 * (2 * 8192 + 2048));
  });

  it("agree with the width that removes a part of them", () => {
    for (const ratioOf of ["total", "non-embedding", "mlp"] as const) {
      const width = targetWidth(shape, { pruningRatio: 0.3, ratioOf, roundTo: 1 });
      const before = countParameters(shape);
      const ratios = achievedRatios(before, countParameters(shape, widths(width)));
      expect(Math.abs(countOf(ratios, ratioOf) - 0.3) * countOf(before, ratioOf)).toBeLessThanOrEqual(
        98_304 / 2,
      );
    }
  });
});

describe("modelShape", () => {
  it("names a tensor whose shape is not given", () => {
    const members = [{ tensor: "gate", axis: 0 as const }];
    const groups = [{ layer: 0, intermediateSize: 4, members, configKey: "intermediate_size" }];
    const shaping = () => modelShape(groups, new Map([["up", [4, 2]]]), () => false);
    expect(shaping).toThrow(ShapeError);
    expect(shaping).toThrow('modelShape: expected the shape of tensor "gate", got none.');
  });
});

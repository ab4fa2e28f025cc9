import { ConfigError, FormatError, UsageError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import type { ModelShape } from "./model-shape.js";
import { assertPlanFits, createPlan, formatPlan, parsePlan, planKept, planWidths } from "./pruning-plan.js";

const shape: ModelShape = {
  widths: [4, 4],
  neuronSizes: [6, 6],
  totalParameters: 1100,
  embeddingParameters: 100,
};
const kept = [Int32Array.of(0, 3), Int32Array.of(1, 2, 3)];
const plan = createPlan("llama", shape, kept);

describe("createPlan", () => {
  it("lists what each layer keeps, and counts the parameters before and after", () => {
    expect(plan).toEqual({
      format: "sdmprune-plan",
      version: 1,
      modelType: "llama",
      layers: [
        { layer: 0, intermediateSize: 4, width: 2, kept: [0, 3] },
        { layer: 1, intermediateSize: 4, width: 3, kept: [1, 2, 3] },
      ],
      parameters: {
        before: { total: 1100, nonEmbedding: 1000, mlp: 48 },
        after: { total: 1082, nonEmbedding: 982, mlp: 30 },
        removed: { total: 18 / 1100, nonEmbedding: 18 / 1000, mlp: 18 / 48 },
      },
    });
    expect(planWidths(plan)).toEqual([2, 3]);
    expect(planKept(plan)).toEqual(kept);
  });

  it.each([
    [[kept[0]!], "plan: expected the kept neurons of 2 layers, got 1."],
    [[kept[0]!, Int32Array.of()], "plan: layer 1: at least one neuron must be kept."],
    [[Int32Array.of(3, 0), kept[1]!], "plan: layer 0: kept neurons must rise strictly and stay below 4."],
    [[Int32Array.of(1, 1), kept[1]!], "plan: layer 0: kept neurons must rise strictly and stay below 4."],
    [[Int32Array.of(-1, 1), kept[1]!], "plan: layer 0: kept neurons must rise strictly and stay below 4."],
    [[kept[0]!, Int32Array.of(4)], "plan: layer 1: kept neurons must rise strictly and stay below 4."],
  ])("refuses kept neurons that no layer can have (%#)", (indices, message) => {
    expect(() => createPlan("llama", shape, indices)).toThrow(UsageError);
    expect(() => createPlan("llama", shape, indices)).toThrow(message);
  });
});

describe("parsePlan", () => {
  const edited = (
    edit: (plan: { layers: Record<string, unknown>[]; [key: string]: unknown }) => void,
  ): string => {
    const copy = structuredClone(plan) as never;
    edit(copy);
    return JSON.stringify(copy);
  };

  it("gives back what was written", () => {
    expect(parsePlan(JSON.stringify(plan), "plan.json")).toEqual(plan);
  });

  it.each([
    ["not JSON", "{", "plan.json: expected a pruning plan in JSON, got text that does not parse."],
    [
      "another order of the layers",
      edited((p) => p.layers.reverse()),
      "plan.json: layers[0]: expected layer 0 at this place, got 1.",
    ],
    [
      "a width that is not that of its neurons",
      edited((p) => (p.layers[1]!["width"] = 2)),
      "plan.json: layers[1]: width is 2, but 3 neurons are kept.",
    ],
    [
      "neurons that the layer does not have",
      edited((p) => (p.layers[0]!["intermediateSize"] = 3)),
      "plan.json: layers[0]: kept neurons must rise strictly and stay below 3.",
    ],
    [
      "neurons out of order",
      edited((p) => (p.layers[0]!["kept"] = [3, 0])),
      "plan.json: layers[0]: kept neurons must rise strictly and stay below 4.",
    ],
  ])("refuses %s", (_what, text, message) => {
    expect(() => parsePlan(text, "plan.json")).toThrow(FormatError);
    expect(() => parsePlan(text, "plan.json")).toThrow(message);
  });

  it.each([
    ["another document", '{ "layers": [] }', 'plan.json: "format": expected "sdmprune-plan", got nothing; '],
    ["a list", "[]", "plan.json: expected object, got a list of 0."],
    ["another version", edited((p) => (p["version"] = 2)), 'plan.json: "version": expected 1, got 2.'],
    [
      "no layers",
      edited((p) => (p.layers = [])),
      '"layers": expected at least 1 element(s), got a list of 0.',
    ],
    [
      "a fraction",
      edited((p) => (p.layers[0]!["kept"] = [0.5, 1])),
      '"layers.0.kept.0": expected int, got 0.5.',
    ],
    [
      "no neurons",
      edited((p) => Object.assign(p.layers[0]!, { width: 0, kept: [] })),
      '"layers.0.width": expected at least 1',
    ],
  ])("refuses %s, with every key that is wrong", (_what, text, message) => {
    expect(() => parsePlan(text, "plan.json")).toThrow(ConfigError);
    expect(() => parsePlan(text, "plan.json")).toThrow(message);
  });
});

describe("assertPlanFits", () => {
  it("takes the model it was made for and refuses another", () => {
    expect(() => assertPlanFits(plan, shape, "plan.json")).not.toThrow();
    expect(() => assertPlanFits(plan, { ...shape, widths: [4, 8] }, "plan.json")).toThrow(
      "plan.json: the plan is for MLPs of width [4, 4], the model has [4, 8].",
    );
  });
});

describe("formatPlan", () => {
  it("shows every layer and the three counts, before and after", () => {
    expect(formatPlan(plan).split("\n")).toEqual([
      "  layer   0  mlp 4 -> 2  (-50.00 %)",
      "  layer   1  mlp 4 -> 3  (-25.00 %)",
      "parameters",
      "  total          1,100 -> 1,082  (-1.64 %)",
      "  non-embedding  1,000 -> 982  (-1.80 %)",
      "  mlp            48 -> 30  (-37.50 %)",
    ]);
  });
});

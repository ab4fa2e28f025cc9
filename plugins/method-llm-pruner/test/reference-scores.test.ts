import onnxPlugin from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { selectBackend, tf } from "@sdmprune/tensor";
import { activateCpuBackend, scoreGoldenMlp } from "@sdmprune/test-utils";
import { describeReferenceScores } from "@sdmprune/test-utils/reference-scores";
import { beforeAll, describe, expect, it } from "vitest";
import { createLlmPrunerImportance } from "../src/llm-pruner-importance.js";

const criteria = {
  param_first: () => createLlmPrunerImportance({ taylor: "param_first" }),
  param_second: () => createLlmPrunerImportance({ taylor: "param_second" }),
  param_mix: () => createLlmPrunerImportance({ taylor: "param_mix" }),
  vectorize: () => createLlmPrunerImportance({ taylor: "vectorize" }),
};
const file = new URL("./fixtures/tiny-llama-scores.json", import.meta.url);

describe("on onnx", () => {
  const activate = async (): Promise<void> => {
    await selectBackend(new Host().use(onnxPlugin).registries, { name: "onnx" });
  };
  describeReferenceScores({ file, criteria, activate });
});

describe("on cpu", () => {
  describeReferenceScores({ file, criteria, activate: activateCpuBackend });
});

describe("on the golden sample", () => {
  beforeAll(activateCpuBackend);

  it.each([
    ["param_first", [10.57042805, 4.409842, 1.22412586]],
    ["vectorize", [9.26898524, 0.3514694, 1.22412586]],
  ] as const)("%s scores are those computed by hand", async (name, expected) => {
    const before = tf.memory().numTensors;
    const scores = await scoreGoldenMlp(criteria[name]());
    scores.forEach((score, n) => expect(score).toBeCloseTo(expected[n]!, 5));
    expect(tf.memory().numTensors).toBe(before);
  });
});

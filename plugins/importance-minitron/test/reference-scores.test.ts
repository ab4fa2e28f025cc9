import onnxPlugin from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { selectBackend, tf } from "@sdmprune/tensor";
import { activateCpuBackend, scoreGoldenMlp } from "@sdmprune/test-utils";
import { describeReferenceScores } from "@sdmprune/test-utils/reference-scores";
import { beforeAll, describe, expect, it } from "vitest";
import { createMinitron } from "../src/minitron.js";

const criteria = {
  minitron: createMinitron,
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

  it.each([["minitron", [1.06584198, 1.21460651, 0.36049701]]] as const)(
    "%s scores are those computed by hand",
    async (name, expected) => {
      const before = tf.memory().numTensors;
      const scores = await scoreGoldenMlp(criteria[name]());
      scores.forEach((score, n) => expect(score).toBeCloseTo(expected[n]!, 5));
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

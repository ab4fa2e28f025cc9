import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, scoreGoldenMlp } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { createMagnitude } from "./magnitude.js";

describe("magnitude", () => {
  beforeAll(activateCpuBackend);

  it("is the norm of a neuron's gate row, up row and down column together", async () => {
    const golden = [1.93649167, 1.93649167, 1.6583124]; // computed in float64
    const before = tf.memory().numTensors;
    const score = await scoreGoldenMlp(createMagnitude());
    score.forEach((value, n) => expect(Math.abs(value / golden[n]! - 1)).toBeLessThan(1e-6));
    expect(score[0]).toBe(score[1]); // a tie, which selection breaks by the lower index
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ["down", [1.11803399, 1.11803399, 1.03077641]],
    ["maw", [3, 3, 2.25]],
  ] as const)("of %s is that of the golden vectors", async (of, golden) => {
    const score = await scoreGoldenMlp(createMagnitude({ of }));
    score.forEach((value, n) => expect(value).toBeCloseTo(golden[n]!, 6));
  });

  it("needs no data", () => {
    expect(createMagnitude().needs).toEqual({});
    expect(createMagnitude().observe).toBeUndefined();
  });
});

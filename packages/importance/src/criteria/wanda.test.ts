import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, scoreGoldenMlp } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { createWanda } from "./wanda.js";

describe("wanda", () => {
  beforeAll(activateCpuBackend);

  it("is the mean down weight times the root mean square of the activation", async () => {
    const golden = [1.75865825, 1.86162472, 0.51325188]; // with the norm over the 3 tokens, computed in float64
    const before = tf.memory().numTensors;
    const score = await scoreGoldenMlp(createWanda());
    score.forEach((value, n) => expect(Math.abs((value * Math.sqrt(3)) / golden[n]! - 1)).toBeLessThan(1e-5));
    expect(tf.memory().numTensors).toBe(before);
  });

  it("looks at activations alone", () => {
    expect(createWanda().needs).toEqual({ activations: true });
  });
});

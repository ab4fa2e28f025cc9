import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { scoreGoldenMlp } from "../../test/golden-mlp.js";
import { createSelfDistillation, createTaylor } from "./self-distillation.js";

const options = { loss: "blend", alpha: 0.4, tau: 0.2 } as const;
/** mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|, computed in float64. */
const golden = [4.63449262, 0.1757347, 0.61206293];

describe("the salience of self-distillation and taylor", () => {
  beforeAll(activateCpuBackend);

  it.each([
    ["self-distillation", createSelfDistillation(options)],
    ["taylor", createTaylor()],
  ])("by %s adds the three matrices before it takes the absolute value", async (_name, criterion) => {
    const score = await scoreGoldenMlp(criterion);
    score.forEach((value, n) => expect(Math.abs(value / golden[n]! - 1)).toBeLessThan(1e-5));
  });

  it("leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    await scoreGoldenMlp(createTaylor());
    expect(tf.memory().numTensors).toBe(before);
  });

  it("differs in the loss whose gradients it asks for", () => {
    const lossOf = ({ needs }: ReturnType<typeof createTaylor>) => needs.gradients?.loss;
    expect(lossOf(createTaylor())).toEqual({ kind: "cross-entropy" });
    expect(lossOf(createSelfDistillation(options))).toEqual({ kind: "blend", alpha: 0.4, tau: 0.2 });
    expect(lossOf(createSelfDistillation({ ...options, loss: "ce" }))).toEqual({ kind: "cross-entropy" });
    expect(lossOf(createSelfDistillation({ ...options, loss: "entropy" }))).toEqual({ kind: "entropy" });
  });
});

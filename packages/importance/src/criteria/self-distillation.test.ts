import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, scoreGoldenMlp } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { sweep } from "../../test/tiny-llama-fixtures.js";
import { tinyModel, tinySamples } from "../../test/tiny-model.js";
import { createSelfDistillation, createTaylor } from "./self-distillation.js";

const options = { loss: "blend", alpha: 0.4, tau: 0.2 } as const;
/** mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|, computed in float64. */
const golden = [4.63449262, 0.1757347, 0.61206293];

describe("the salience of self-distillation and taylor", () => {
  beforeAll(activateCpuBackend);

  it.each([
    ["self-distillation", createSelfDistillation(options)],
    ["taylor", createTaylor()],
    ["taylor of a batch", createTaylor({ absolute: "batch" })],
  ])("by %s adds the three matrices before it takes the absolute value", async (_name, criterion) => {
    const score = await scoreGoldenMlp(criterion);
    score.forEach((value, n) => expect(Math.abs(value / golden[n]! - 1)).toBeLessThan(1e-5));
  });

  it("of a batch is that of the only sample, and less where samples disagree", async () => {
    const model = await tinyModel();
    const scores = async (nsamples: number) =>
      sweep(model, tinySamples(nsamples), {
        sample: createTaylor(),
        batch: createTaylor({ absolute: "batch" }),
        distilled: createSelfDistillation({ ...options, loss: "ce", absolute: "batch" }),
      });
    const one = await scores(1);
    one.get("batch")![0]!.forEach((value, n) => expect(value / one.get("sample")![0]![n]!).toBeCloseTo(1, 4));
    const three = await scores(3);
    expect(three.get("distilled")).toEqual(three.get("batch"));
    three
      .get("batch")![1]!
      .forEach((value, n) => expect(value).toBeLessThan(three.get("sample")![1]![n]! / 3));
    model.dispose();
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

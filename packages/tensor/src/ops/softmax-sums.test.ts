import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { expectNoLeak, useCpuBackend } from "../../test/cpu-backend.js";
import { softmaxSums } from "./softmax-sums.js";

useCpuBackend();

describe("softmaxSums", () => {
  it("finds each row's largest logit and the sum of the exponentials below it", async () => {
    const logits = tf.tensor2d([0, Math.log(2), Math.log(5), -1, -1, -1], [2, 3]);
    await expectNoLeak(async () => {
      const { max, sum } = await softmaxSums(logits);
      expect(max[0]).toBeCloseTo(Math.log(5), 6);
      expect(sum[0]).toBeCloseTo(8 / 5, 6);
      expect([max[1], sum[1]]).toEqual([-1, 3]);
    });
  });

  it("loses no tail that float32 would", async () => {
    const { sum } = await softmaxSums(tf.tensor2d([0, ...new Array<number>(1000).fill(-22)], [1, 1001]));
    expect((sum[0]! - 1) / (1000 * Math.exp(-22))).toBeCloseTo(1, 6);
  });

  it("does not hide a logit that is no number", async () => {
    const { sum } = await softmaxSums(tf.tensor2d([1, NaN, 2], [1, 3]));
    expect(sum[0]).toBeNaN();
  });
});

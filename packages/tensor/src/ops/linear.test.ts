import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { linear64 } from "../../test/float64-reference.js";
import { linear, linearBackwardBias, linearBackwardInput, linearBackwardWeight } from "./linear.js";

useCpuBackend();

describe("linear", () => {
  const x = randomValues("x", 3 * 5); // [N=3, I=5]
  const weight = randomValues("weight", 4 * 5); // [O=4, I=5]
  const bias = randomValues("bias", 4);
  const dy = randomValues("dy", 3 * 4);

  it("is x times the transposed weight", () => {
    const input = tf.tensor2d([[1, 2]]);
    const w = tf.tensor2d([[3, 4], [0, -1], [1, 0]]); // prettier-ignore
    expectValues(linear(input, w), [11, -2, 1]);
    expectValues(linear(input, w, tf.tensor1d([0.5, 0, -1])), [11.5, -2, 0]);
    tf.dispose([input, w]);
  });

  it("has the gradients of finite differences", () => {
    const tensors = { x: tensor<tf.Tensor2D>(x, [3, 5]), w: tensor<tf.Tensor2D>(weight, [4, 5]) };
    const dOut = tensor<tf.Tensor2D>(dy, [3, 4]);
    expectValues(linear(tensors.x, tensors.w, tensor(bias, [4])), linear64(x, weight, 5, bias));
    expectValues(
      linearBackwardInput(dOut, tensors.w),
      vectorJacobianProduct((v) => linear64(v, weight, 5, bias), x, dy),
    );
    expectValues(
      linearBackwardWeight(tensors.x, dOut),
      vectorJacobianProduct((v) => linear64(x, v, 5, bias), weight, dy),
    );
    expectValues(
      linearBackwardBias(dOut),
      vectorJacobianProduct((v) => linear64(x, weight, 5, v), bias, dy),
    );
  });

  it("leaves only its result behind", async () => {
    await expectNoLeak(() => {
      const [a, w, b] = [tf.ones<tf.Rank.R2>([2, 3]), tf.ones<tf.Rank.R2>([4, 3]), tf.ones<tf.Rank.R1>([4])];
      const before = tf.memory().numTensors;
      const y = linear(a, w, b);
      expect(tf.memory().numTensors).toBe(before + 1);
      tf.dispose([a, w, b, y]);
    });
  });

  it("names the argument that does not fit, and both shapes", () => {
    const [a, w] = [tf.ones<tf.Rank.R2>([2, 3]), tf.ones<tf.Rank.R2>([4, 5])];
    expect(() => linear(a, w)).toThrow("linear: weight must have shape [O, I] with I=3, got [4, 5].");
    expect(() => linearBackwardInput(a, w)).toThrow(
      "linearBackwardInput: weight must have shape [O, I] with O=3, got [4, 5].",
    );
    expect(() => linear(tensor(new Float64Array(6), [2, 3, 1]), w)).toThrow(
      "linear: x must have shape [N, I], got [2, 3, 1].",
    );
    tf.dispose([a, w]);
  });
});

import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { rmsNorm64 } from "../../test/float64-reference.js";
import { rmsNorm, rmsNormBackward, rmsNormBackwardWeight } from "./rms-norm.js";

useCpuBackend();

describe("rmsNorm", () => {
  const [N, H, eps] = [3, 6, 1e-5];
  const x = randomValues("x", N * H);
  const weight = randomValues("weight", H);
  const dy = randomValues("dy", N * H);

  it("divides each row by its root mean square, and scales", () => {
    // root mean square of (3, 4) is sqrt(12.5)
    const y = rmsNorm(tf.tensor2d([[3, 4]]), tf.tensor1d([1, 2]), 0);
    expectValues(y, [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)]);
  });

  it("gives finite rows for rows of zeros", () => {
    expectValues(rmsNorm(tf.zeros([1, 4]), tf.ones([4]), 1e-5), [0, 0, 0, 0]);
  });

  it("has the gradients of finite differences", async () => {
    await expectNoLeak(() => {
      const t = tensor<tf.Tensor2D>(x, [N, H]);
      const w = tensor<tf.Tensor1D>(weight, [H]);
      const d = tensor<tf.Tensor2D>(dy, [N, H]);
      expectValues(rmsNorm(t, w, eps), rmsNorm64(x, weight, eps));
      expectValues(
        rmsNormBackward(t, w, eps, d),
        vectorJacobianProduct((v) => rmsNorm64(v, weight, eps), x, dy),
      );
      expectValues(
        rmsNormBackwardWeight(t, eps, d),
        vectorJacobianProduct((v) => rmsNorm64(x, v, eps), weight, dy),
      );
      tf.dispose([t, w, d]);
    });
  });

  it("refuses a weight of another size", () => {
    expect(() => rmsNorm(tf.ones([2, 4]), tf.ones([5]), eps)).toThrow(
      "rmsNorm: weight must have shape [H] with H=4, got [5].",
    );
  });
});

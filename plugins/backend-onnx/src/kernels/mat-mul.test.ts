import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { register } from "../tfjs.js";

beforeAll(async () => {
  await register();
  await tf.setBackend("onnx");
});

it.each([false, true])(
  "rounds a row of a large a^T b as that of a small one (transposeB %s)",
  (transposeB) => {
    tf.tidy(() => {
      const [K, M, N] = [37, 3001, 20];
      const a = tf.randomNormal<tf.Rank.R2>([K, M], 0, 1, "float32", 1);
      const b = tf.randomNormal<tf.Rank.R2>(transposeB ? [N, K] : [K, N], 0, 1, "float32", 2);
      const whole = tf.matMul(a, b, true, transposeB);
      const parts = tf.split(a, [2, 999, 1000, 1000], 1).map((part) => tf.matMul(part, b, true, transposeB));
      expect(whole.shape).toEqual([M, N]);
      expect(whole.dataSync()).toEqual(tf.concat(parts, 0).dataSync());
    });
  },
);

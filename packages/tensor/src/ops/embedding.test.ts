import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, useCpuBackend } from "../../test/cpu-backend.js";
import { embedding, embeddingBackward } from "./embedding.js";

useCpuBackend();

describe("embedding", () => {
  it("takes a row per id, and its gradient sums the rows of equal ids", async () => {
    await expectNoLeak(() => {
      const ids = tf.tensor1d([2, 0, 2], "int32");
      const table = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
      const dy = tf.tensor2d([1, 10, 2, 20, 3, 30], [3, 2]);
      expectValues(embedding(ids, table), [5, 6, 1, 2, 5, 6]);
      expectValues(embeddingBackward(ids, dy, 4), [2, 20, 0, 0, 4, 40, 0, 0]);
      tf.dispose([ids, table, dy]);
    });
  });

  it("refuses ids that are not int32", () => {
    expect(() => embedding(tf.tensor1d([0, 1]), tf.ones([4, 2]))).toThrow(
      "embedding: ids must have dtype int32, got float32.",
    );
  });
});

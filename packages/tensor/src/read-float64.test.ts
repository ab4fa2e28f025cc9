import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { useCpuBackend } from "../test/cpu-backend.js";
import { addTo, readFloat64 } from "./read-float64.js";

useCpuBackend();

describe("readFloat64", () => {
  it("widens each value exactly", async () => {
    expect(await readFloat64(tf.tensor2d([[0.1], [2]]))).toEqual(Float64Array.of(Math.fround(0.1), 2));
  });
});

describe("addTo", () => {
  it("keeps what a float32 sum would lose", async () => {
    const sum = Float64Array.of(2 ** 24, 0);
    for (let i = 0; i < 3; i++) await addTo(sum, tf.tensor1d([1, 0.5]));
    expect(sum).toEqual(Float64Array.of(2 ** 24 + 3, 1.5));
  });

  it("refuses a tensor of another size", async () => {
    await expect(addTo(new Float64Array(3), tf.ones([2, 2]))).rejects.toThrow(
      "addTo: tensor must have 3 elements, got shape [2,2].",
    );
  });
});

import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { rotary64 } from "../../test/float64-reference.js";
import { rotary, rotaryBackward, rotaryTables } from "./rotary.js";
import { rotaryFrequencies } from "./rotary-frequencies.js";

useCpuBackend();

describe("rotary", () => {
  it("turns each pair of coordinates by position times frequency", () => {
    const tables = rotaryTables(Float64Array.of(Math.PI / 2), [0, 1, 2]);
    const x = tf.tensor4d([1, 0, 1, 0, 1, 0], [1, 3, 1, 2]);
    expectValues(rotary(x, tables), [1, 0, 0, 1, -1, 0]);
  });

  it("passes the coordinates beyond the rotated part through", () => {
    const tables = rotaryTables(Float64Array.of(Math.PI), [1]);
    const x = tf.tensor4d([1, 2, 3, 4], [1, 1, 1, 4]);
    expectValues(rotary(x, tables), [-1, -2, 3, 4]);
  });

  it.each([
    ["whole heads", 1],
    ["a quarter of each head", 0.25],
  ])(
    "has the gradient of finite differences over %s, with positions of each batch row",
    async (_, partialFactor) => {
      const [B, T, heads, D] = [2, 3, 2, 8];
      const positions = [0, 1, 2, 5, 6, 7];
      const frequencies = rotaryFrequencies({ headDim: D, theta: 100, partialFactor });
      const x = randomValues("x", B * T * heads * D);
      const dy = randomValues("dy", x.length);
      const f = (v: Float64Array): Float64Array => rotary64(v, heads, D, frequencies, positions);
      await expectNoLeak(() => {
        const tables = rotaryTables(frequencies, positions, B);
        const t = tensor<tf.Tensor4D>(x, [B, T, heads, D]);
        const d = tensor<tf.Tensor4D>(dy, [B, T, heads, D]);
        expect(tables.cos.shape).toEqual([B, T, frequencies.length]);
        expectValues(rotary(t, tables), f(x));
        expectValues(rotaryBackward(d, tables), vectorJacobianProduct(f, x, dy));
        tf.dispose([t, d, tables.cos, tables.sin]);
      });
    },
  );

  it("keeps the angle of far positions, which float32 would lose", () => {
    const tables = rotaryTables(Float64Array.of(0.1), [1_000_003]);
    expectValues(tables.cos, [Math.cos(100_000.3)], 1e-7);
  });

  it("refuses tables that do not fit", () => {
    const x = tf.ones<tf.Rank.R4>([1, 2, 1, 4]);
    const forThree = rotaryTables(Float64Array.of(1), [0, 1, 2]);
    expect(() => rotary(x, forThree)).toThrow(
      "rotary: tables.cos must have shape [T, R/2] with T=2, got [3, 1].",
    );
    const tooWide = rotaryTables(Float64Array.of(1, 1, 1), [0, 1]);
    expect(() => rotary(x, tooWide)).toThrow(
      "rotary: R must be at most the head size D=4, got tables for R=6.",
    );
    expect(() => rotaryTables(Float64Array.of(1), [0, 1, 2], 2)).toThrow(
      "rotaryTables: positions must divide into 2 rows, got 3.",
    );
  });
});

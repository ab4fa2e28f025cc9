import { expect, it } from "vitest";
import { assertFinite } from "./assert-finite.js";

it("names the first value that is not finite, and its place", () => {
  const values = new Float32Array([1, 2, 3, 4, NaN, Infinity]);
  expect(() => assertFinite(values, 'm: tensor "a"', [2, 3])).toThrow(
    'm: tensor "a": expected finite values, got NaN at [1, 1].',
  );
  expect(() => assertFinite(values.subarray(0, 4), "m")).not.toThrow();
});

import { NonFiniteError, Rng, ShapeError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { choleskyInPlace, choleskySolveRows } from "./cholesky.js";
import { meanBias, meanBiasErrors } from "./mean-bias.js";
import { ridgeDownProjection } from "./ridge.js";

const random = (length: number, seed: number): Float64Array => {
  const rng = new Rng(seed, "ridge");
  return Float64Array.from({ length }, () => rng.normal());
};

/** `A B^T` by the definition. */
function product(a: Float64Array, b: Float64Array, m: number, p: number, n: number): Float64Array {
  return Float64Array.from({ length: m * p }, (_, ij) => {
    const [i, j] = [Math.floor(ij / p), ij % p];
    let sum = 0;
    for (let t = 0; t < n; t++) sum += a[i * n + t]! * b[j * n + t]!;
    return sum;
  });
}

const largest = (values: Float64Array): number => Math.max(...values.map(Math.abs));

describe("the Cholesky factorisation", () => {
  it("of a matrix of two is the one by hand", () => {
    const a = Float64Array.of(4, NaN, 2, 10); // the upper triangle is not read
    choleskyInPlace(a, 2);
    expect([...a]).toEqual([2, 1, 1, 3]);
  });

  it.each([1, 3, 63, 64, 65, 130])("solves systems of %i unknowns", (n) => {
    const a = product(random(n * n, 1), random(n * n, 1), n, n, n);
    for (let i = 0; i < n; i++) a[i * n + i]! += 1;
    const x = random(5 * n, 2);
    const b = product(x, a, 5, n, n); // X A, A being symmetric
    choleskyInPlace(a, n);
    choleskySolveRows(a, b, 5, n);
    expect(largest(b.map((value, i) => value - x[i]!))).toBeLessThan(1e-9);
  });

  it.each([
    ["indefinite", [1, 2, 2, 1], "-3 at row 1 of 2"],
    ["singular", [1, 1, 1, 1], "0 at row 1 of 2"],
    ["not finite", [NaN, 0, 0, 1], "NaN at row 0 of 2"],
  ])("refuses a matrix that is %s", (_what, values, pivot) => {
    expect(() => choleskyInPlace(Float64Array.from(values), 2)).toThrow(
      `cholesky: expected a positive definite matrix, got the pivot ${pivot}.`,
    );
  });
});

describe("ridgeDownProjection", () => {
  it("gives a neuron its removed twin's part", () => {
    // Neurons 0 and 1 always fire alike: 1's weights go to 0. Neuron 2 is silent when they fire.
    const gram = Float64Array.of(2, 2, 0, 2, 2, 0, 0, 0, 5);
    const down = Float64Array.of(1, 10, 3); // [H=1, F=3]
    const result = ridgeDownProjection({ gram, down, kept: Int32Array.of(0, 2), lambda: 1e-12 });
    expect(result.down[0]).toBeCloseTo(11, 9);
    expect(result.down[1]).toBeCloseTo(3, 9);
    expect(result.errorBefore).toBe(200); // 10^2 times the twin's energy
    expect(result.errorAfter).toBeCloseTo(0, 6);
  });

  it("shrinks by the mean of the diagonal", () => {
    const gram = Float64Array.of(2, 0, 0, 6);
    const { down } = ridgeDownProjection({
      gram,
      down: Float64Array.of(1, 1),
      kept: Int32Array.of(0),
      lambda: 0.5,
    });
    expect([...down]).toEqual([0.5]); // 2 / (2 + 0.5 * 4)
  });

  it("solves the regularised normal equations, and knows its error", () => {
    const [F, H, N, k] = [90, 7, 200, 70];
    const a = random(F * N, 3); // [F, N]
    const w = random(H * F, 4);
    const gram = product(a, a, F, F, N);
    const kept = Int32Array.from({ length: k }, (_, i) => i + Math.floor(i / 4));
    const lambda = 0.05;
    const { down, errorBefore, errorAfter } = ridgeDownProjection({ gram, down: w, kept, lambda });
    const penalty = (lambda * a.reduce((sum, value) => sum + value * value, 0)) / F;
    const difference = w.map((value, i) => {
      const at = kept.indexOf(i % F);
      return value - (at === -1 ? 0 : down[Math.floor(i / F) * k + at]!);
    });
    // (W - W') G restricted to the kept neurons is the penalty times W'.
    const residual = product(difference, gram, H, F, F);
    for (let h = 0; h < H; h++) {
      kept.forEach((n, i) => expect(residual[h * F + n]! - penalty * down[h * k + i]!).toBeCloseTo(0, 6));
    }
    const energy = (e: Float64Array): number =>
      product(e, gram, H, F, F).reduce((sum, value, i) => sum + value * e[i]!, 0);
    expect(errorAfter / energy(difference)).toBeCloseTo(1, 9);
    const removed = w.map((value, i) => (kept.includes(i % F) ? 0 : value));
    expect(errorBefore / energy(removed)).toBeCloseTo(1, 9);
  });

  it("keeps a layer as it is when no neuron goes and nothing is shrunk", () => {
    const a = random(4 * 9, 5);
    const down = random(3 * 4, 6);
    const kept = Int32Array.of(0, 1, 2, 3);
    const result = ridgeDownProjection({ gram: product(a, a, 4, 4, 9), down, kept, lambda: 1e-15 });
    expect(largest(result.down.map((value, i) => value - down[i]!))).toBeLessThan(1e-12);
  });

  it("refuses sizes that do not fit, and activations that cannot be told apart", () => {
    const kept = Int32Array.of(0);
    expect(() =>
      ridgeDownProjection({ gram: new Float64Array(5), down: new Float64Array(4), kept, lambda: 1 }),
    ).toThrow(ShapeError);
    expect(() =>
      ridgeDownProjection({ gram: new Float64Array(4), down: new Float64Array(2), kept, lambda: 1 }),
    ).toThrow(NonFiniteError);
  });
});

describe("meanBias", () => {
  it("is what the removed neurons add on average, and takes that much off the error", () => {
    const activations = [1, 3, 0, 2, 5, 5]; // [F=3, N=2]
    const a = Float64Array.from(activations);
    const gram = product(a, a, 3, 3, 2);
    const down = Float64Array.of(1, 2, 4, 0, 1, 1); // [H=2, F=3]
    const sum = Float64Array.of(4, 2, 10);
    const kept = Int32Array.of(0);
    const bias = meanBias(down, sum.map((value) => value / 2), kept); // prettier-ignore
    expect([...bias]).toEqual([22, 6]);
    // Missing outputs are (20, 5) and (24, 7): 400 + 25 + 576 + 49, and about their mean 4 + 1 + 4 + 1.
    expect(meanBiasErrors({ gram, down }, bias, { kept, numTokens: 2 })).toEqual({
      errorBefore: 1050,
      errorAfter: 10,
    });
  });
});

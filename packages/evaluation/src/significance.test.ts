import { describe, expect, it } from "vitest";
import { mcNemarTest, pairedBootstrap } from "./significance.js";

const repeat = (value: number, times: number) => new Array<number>(times).fill(value);

describe("mcNemarTest", () => {
  it.each([
    // twice the lower tail in exact fractions (Python: 2 * sum(Fraction(comb(n, i), 2**n)))
    [0, 0, 1],
    [5, 5, 1],
    [1, 9, 0.021484375],
    [0, 6, 0.03125],
    [12, 30, 0.007915897334896727],
    [450, 550, 0.0017305360849763176],
  ])("is an exact binomial test of %i against %i differing answers", (onlyFirst, onlySecond, expected) => {
    const first = [...repeat(1, onlyFirst), ...repeat(0, onlySecond), 1, 0];
    const second = [...repeat(0, onlyFirst), ...repeat(1, onlySecond), 1, 0];
    const result = mcNemarTest(first, second);
    expect(result).toMatchObject({ onlyFirst, onlySecond });
    expect(Math.abs(result.pValue / expected - 1)).toBeLessThan(1e-10);
  });

  it("refuses answers to different numbers of questions", () => {
    expect(() => mcNemarTest([1], [1, 0])).toThrow(
      "expected the same questions of both models, got 1 and 2.",
    );
  });
});

describe("pairedBootstrap", () => {
  const first = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0));
  const second = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 || i % 10 === 1 ? 1 : 0));

  it("has the difference of means and a standard error near the formula's", () => {
    const { difference, stderr, low, high, pValue } = pairedBootstrap([{ first, second }], { iters: 4000 });
    const differences = second.map((value, i) => value - first[i]!);
    const center = differences.reduce((a, b) => a + b) / 400;
    const formula = Math.sqrt(differences.reduce((sum, d) => sum + (d - center) ** 2, 0) / 399 / 400);
    expect(difference).toBeCloseTo(center, 12);
    expect(Math.abs(stderr / formula - 1)).toBeLessThan(0.05);
    expect(low).toBeLessThan(center);
    expect(low).toBeGreaterThan(center - 3 * formula);
    expect(high).toBeGreaterThan(center);
    expect(pValue).toBeLessThan(0.001);
  });

  it("gives every task the same weight", () => {
    const one = { first: [0, 0], second: [1, 1] };
    const other = { first: [1, 0, 1, 0], second: [1, 0, 1, 0] };
    expect(pairedBootstrap([one, other], { iters: 100 }).difference).toBe(0.5);
  });

  it("finds no difference between equal models, and repeats with its seed", () => {
    expect(pairedBootstrap([{ first, second: first }], { iters: 100 })).toMatchObject({
      difference: 0,
      stderr: 0,
      pValue: 1,
    });
    const run = (seed: number) => pairedBootstrap([{ first, second }], { iters: 200, seed });
    expect(run(1)).toEqual(run(1));
    expect(run(1).stderr).not.toBe(run(2).stderr);
  });
});

import { describe, expect, it } from "vitest";
import { aggregate } from "./aggregation.js";
import { MersenneTwister } from "./mersenne-twister.js";

describe("MersenneTwister", () => {
  // CPython 3.11: random.seed(s); [random.random() for _ in range(n)]
  it.each([
    [0, [0.8444218515250481, 0.7579544029403025, 0.420571580830845, 0.25891675029296335, 0.5112747213686085]],
    [1, [0.13436424411240122, 0.8474337369372327, 0.763774618976614]],
  ])("draws what Python's random draws with seed %i", (seed, expected) => {
    const random = new MersenneTwister(seed);
    expect(expected.map(() => random.random())).toEqual(expected);
  });

  it("goes on past its first 624 words as Python does", () => {
    // random.seed(42); for _ in range(1000): x = random.random()
    const random = new MersenneTwister(42);
    let last = 0;
    for (let i = 0; i < 1000; i++) last = random.random();
    expect(last).toBe(0.8554501933059546);
  });
});

describe("aggregate", () => {
  const LOGPROBS = [-0.5, -1.25, -2.0, -0.125, -3.5, -0.75, -1.0, -4.0];

  // lm-eval at cbc31eb: metrics.perplexity and bootstrap_stderr
  it.each([
    [1000, 3.2065586925337666],
    [3000, 3.0956281499243663],
    [100_000, 3.0333876788556497],
  ])("repeats lm-eval's bootstrap of %i resamples", (iters, expected) => {
    const { value, stderr } = aggregate("perplexity", LOGPROBS, iters);
    expect(Math.abs(value / 5.15839250025867 - 1)).toBeLessThan(1e-12);
    expect(Math.abs(stderr! / expected - 1)).toBeLessThan(1e-12);
  });

  it("has the standard error of a mean by its formula", () => {
    const { value, stderr } = aggregate("mean", [1, 0, 0, 1, 1], 100);
    expect(value).toBe(0.6);
    expect(stderr).toBeCloseTo(Math.sqrt((2 * 0.36 + 3 * 0.16) / 4 / 5), 15);
    expect(stderr).toBeCloseTo(0.24494897427831783, 15);
  });

  it("has no standard error for one document, without resamples, or of weighted perplexities", () => {
    expect(aggregate("mean", [1], 100)).toEqual({ value: 1, stderr: undefined });
    expect(aggregate("mean", [1, 0], 0).stderr).toBeUndefined();
    expect(
      aggregate(
        "weighted_perplexity",
        [
          [-1, 2],
          [-3, 2],
        ],
        100,
      ),
    ).toEqual({ value: Math.E, stderr: undefined });
  });

  it("weighs by words and bytes", () => {
    expect(
      aggregate(
        "bits_per_byte",
        [
          [-2 * Math.LN2, 1],
          [-4 * Math.LN2, 5],
        ],
        0,
      ).value,
    ).toBeCloseTo(1, 15);
  });

  it("computes f1 and Matthews' correlation of gold and chosen", () => {
    // 2 true positives, 1 false positive, 1 false negative, 1 true negative
    const values: [number, number][] = [
      [1, 1],
      [1, 1],
      [0, 1],
      [1, 0],
      [0, 0],
    ];
    expect(aggregate("f1", values, 0).value).toBeCloseTo(4 / 6, 15);
    expect(aggregate("mcc", values, 0).value).toBeCloseTo((2 * 1 - 1 * 1) / Math.sqrt(3 * 3 * 2 * 2), 15);
    expect(() => aggregate("f1", [[2, 1]], 0)).toThrow(
      "f1 and mcc: expected two classes, 0 and 1, got class 2.",
    );
  });

  it("refuses values of another kind", () => {
    expect(() => aggregate("mean", [[1, 2]], 0)).toThrow("aggregation: expected a number per document");
    expect(() => aggregate("bits_per_byte", [1], 0)).toThrow("aggregation: expected a pair per document");
  });
});

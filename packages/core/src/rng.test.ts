import { describe, expect, it } from "vitest";
import { UsageError } from "./errors.js";
import { Rng } from "./rng.js";

/** xoroshiro128+ as Blackman and Vigna publish it (a=24, b=16, c=37), on BigInt; low 32 bits of each output. */
function* xoroshiro(state: [bigint, bigint]): Generator<number, never> {
  const mask = (1n << 64n) - 1n;
  const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (64n - k))) & mask;
  let [s0, s1] = state;
  for (;;) {
    yield Number((s0 + s1) & 0xffffffffn);
    s1 ^= s0;
    s0 = rotate(s0, 24n) ^ s1 ^ ((s1 << 16n) & mask);
    s1 = rotate(s1, 37n);
  }
}

/** The state of a text, 128 bits: FNV-1a from four bases, finished by MurmurHash3's mixer; on BigInt. */
function stateOf(text: string): [bigint, bigint] {
  const times = (a: bigint, b: bigint): bigint => (a * b) & 0xffffffffn;
  const lanes = [0x811c9dc5n, 0x01234567n, 0x5bd1e995n, 0x9e3779b9n].map((base) => {
    let hash = [...text].reduce((h, c) => times(h ^ BigInt(c.charCodeAt(0)), 0x01000193n), base);
    hash = times(hash ^ (hash >> 16n), 0x85ebca6bn);
    hash = times(hash ^ (hash >> 13n), 0xc2b2ae35n);
    return hash ^ (hash >> 16n);
  });
  return [(lanes[0]! << 32n) | lanes[1]!, (lanes[2]! << 32n) | lanes[3]!];
}

describe("Rng", () => {
  it("is xoroshiro128+ with 53 bits of two outputs per number", () => {
    const reference = xoroshiro(stateOf("42/a/b"));
    const rng = new Rng(42, "a/b");
    for (let i = 0; i < 100; i++) {
      const [high, low] = [reference.next().value % 2 ** 26, reference.next().value % 2 ** 27];
      expect(rng.uniform()).toBe((high * 2 ** 27 + low) / 2 ** 53);
    }
  });

  it("draws these numbers for ever: files depend on them", () => {
    // Computed by a program of its own in Python, from the description above.
    const first = (rng: Rng): number[] => [rng.uniform(), rng.uniform(), rng.uniform()];
    expect(first(new Rng(0))).toEqual([0.9254501920587478, 0.8815323502577457, 0.6371667853181714]);
    expect(first(new Rng(0, "calibration"))).toEqual([
      0.09110020203014835, 0.9854370842114062, 0.7891160382230611,
    ]);
    expect(first(new Rng(42, "a").fork("b"))).toEqual([
      0.4926339595547329, 0.6550722879102584, 0.3110264916716934,
    ]);
  });

  it("forks streams that neither share numbers nor depend on what was drawn before", () => {
    const rng = new Rng(5);
    const before = rng.fork("x").uniform();
    rng.uniform();
    expect(rng.fork("x").uniform()).toBe(before);
    expect(rng.fork("x").fork("y").uniform()).toBe(new Rng(5, "x/y").uniform());
    const draws = ["", "x", "y", "x/y"].flatMap((label) => {
      const stream = new Rng(5, label);
      return Array.from({ length: 1000 }, () => stream.uniform());
    });
    expect(new Set(draws).size).toBe(4000);
  });

  it("starts streams of neighbouring labels and seeds without correlation", () => {
    const n = 4000;
    for (const firstOf of [(i: number) => new Rng(0, `layer.${i}`), (i: number) => new Rng(i)]) {
      const draws = Array.from({ length: n }, (_, i) => firstOf(i).uniform() - 0.5);
      const mean = draws.reduce((a, b) => a + b) / n;
      const variance = draws.reduce((a, b) => a + b * b, 0) / n;
      const lagged = draws.slice(1).reduce((sum, x, i) => sum + x * draws[i]!, 0) / n / variance;
      expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(12 * n)); // 4 standard errors
      expect(variance).toBeCloseTo(1 / 12, 2);
      expect(Math.abs(lagged)).toBeLessThan(4 / Math.sqrt(n));
    }
  });

  it("is uniform: chi-squared over 64 bins stays below its 99.9 % point", () => {
    const rng = new Rng(1);
    const [bins, draws] = [64, 64_000];
    const counts = new Float64Array(bins);
    for (let i = 0; i < draws; i++) counts[Math.floor(rng.uniform() * bins)]!++;
    const chiSquared = counts.reduce((sum, count) => sum + (count - draws / bins) ** 2 / (draws / bins), 0);
    expect(chiSquared).toBeLessThan(103.4);
  });

  it("draws integers of every value below the bound, equally often", () => {
    const rng = new Rng(2);
    const counts = new Float64Array(7);
    for (let i = 0; i < 70_000; i++) counts[rng.integer(7)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(9_600); // 10 000 ± 4.3 standard deviations
    expect(Math.max(...counts)).toBeLessThan(10_400);
    expect(rng.integer(1)).toBe(0);
    expect(new Rng(3).integer(2 ** 40)).toBeLessThan(2 ** 40);
  });

  it("draws normals with mean 0, variance 1 and kurtosis 3", () => {
    const rng = new Rng(4);
    const draws = Array.from({ length: 50_000 }, () => rng.normal());
    const moment = (k: number): number => draws.reduce((sum, x) => sum + x ** k, 0) / draws.length;
    expect(moment(1)).toBeCloseTo(0, 1);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(moment(4)).toBeCloseTo(3, 0);
  });

  it("shuffles a copy into a permutation, each place equally likely", () => {
    const items = [0, 1, 2, 3];
    const rng = new Rng(6);
    const places = new Float64Array(4);
    for (let i = 0; i < 8000; i++) {
      const shuffled = rng.shuffle(items);
      expect([...shuffled].sort()).toEqual(items);
      places[shuffled.indexOf(0)]!++;
    }
    expect(items).toEqual([0, 1, 2, 3]);
    for (const count of places) expect(Math.abs(count - 2000)).toBeLessThan(160);
  });

  it.each([-1, 0.5, NaN, 2 ** 53])("refuses the seed %s", (seed) => {
    expect(() => new Rng(seed)).toThrow(
      new UsageError(`seed: expected an integer from 0 to 9007199254740991, got ${seed}.`),
    );
  });

  it("refuses a bound below 1", () => {
    expect(() => new Rng(0).integer(0)).toThrow("Rng.integer: expected a bound of at least 1, got 0.");
  });
});

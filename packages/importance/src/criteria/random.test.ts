import { describe, expect, it } from "vitest";
import type { FinishedLayer } from "../criterion.js";
import { createRandom, randomOptions } from "./random.js";

function scoresOf(seed: number, layer: number, width = 64): number[] {
  const finished = { layer, score: new Float64Array(width) } as FinishedLayer;
  return Array.from(createRandom({ seed }).finish!(finished) as Float64Array);
}

describe("random", () => {
  it("gives the same scores for the same seed, others for another seed or layer", () => {
    expect(scoresOf(3, 1)).toEqual(scoresOf(3, 1));
    expect(scoresOf(3, 1)).not.toEqual(scoresOf(4, 1));
    expect(scoresOf(3, 1)).not.toEqual(scoresOf(3, 2));
  });

  it("spreads them over [0, 1)", () => {
    const scores = scoresOf(0, 0, 1000);
    expect(new Set(scores).size).toBe(1000);
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...scores)).toBeLessThan(1);
    expect(scores.reduce((a, b) => a + b) / 1000).toBeCloseTo(0.5, 1);
  });

  it("has seed 0 unless told otherwise", () => {
    expect(randomOptions.parse({})).toEqual({ seed: 0 });
  });
});

import { Rng } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { createGlobalAllocation, createUniformAllocation } from "./allocation.js";

const scores = [Float64Array.of(9, 8, 1, 1), Float64Array.of(7, 6, 5, 4)];

describe("uniform allocation", () => {
  it("gives every layer the same width", () => {
    expect(createUniformAllocation().allocate({ scores, width: 2, roundTo: 1 })).toEqual([2, 2]);
  });

  it("leaves a layer that is narrower already as it is", () => {
    const uneven = [Float64Array.of(1, 2, 3), Float64Array.of(1)];
    expect(createUniformAllocation().allocate({ scores: uneven, width: 2, roundTo: 1 })).toEqual([2, 1]);
  });
});

describe("global allocation", () => {
  const global = createGlobalAllocation();

  it("keeps the best neurons of all layers", () => {
    expect(global.allocate({ scores, width: 2, roundTo: 1 })).toEqual([2, 2]); // 9 8 7 6
    expect(global.allocate({ scores, width: 3, roundTo: 1 })).toEqual([2, 4]); // 9 8 7 6 5 4
  });

  it("keeps whole multiples and the budget", () => {
    expect(global.allocate({ scores, width: 2, roundTo: 2 })).toEqual([2, 2]);
    const steep = [Float64Array.of(9, 8, 7, 6), Float64Array.of(3, 2, 1, 1), Float64Array.of(5, 5, 5, 5)];
    expect(global.allocate({ scores: steep, width: 2, roundTo: 2 })).toEqual([2, 2, 2]); // one chunk each fills the budget
    const wide = steep.map((s) => Float64Array.of(...s, ...s.map((v) => v / 10)));
    expect(global.allocate({ scores: wide, width: 4, roundTo: 2 })).toEqual([4, 4, 4]);
  });

  it("leaves no layer without neurons", () => {
    const flat = [Float64Array.of(9, 9, 9), Float64Array.of(0, 0, 0)];
    expect(global.allocate({ scores: flat, width: 2, roundTo: 1 })).toEqual([3, 1]);
  });

  it("refuses a budget below one multiple for each layer", () => {
    expect(() => global.allocate({ scores, width: 1, roundTo: 4 })).toThrow(
      'allocation "global": 2 neurons in all are fewer than one multiple of 4 for each of 2 layers.',
    );
  });
});

describe("global allocation of seeded random scores", () => {
  const global = createGlobalAllocation();
  const cases = Array.from({ length: 60 }, (_, seed) => {
    const rng = new Rng(seed, "allocation");
    const [numLayers, roundTo] = [1 + rng.integer(6), 1 + rng.integer(8)];
    const numChunks = 1 + rng.integer(12);
    const scores = Array.from({ length: numLayers }, () => {
      const scale = rng.uniform() * 4; // some layers matter more than others
      return Float64Array.from({ length: numChunks * roundTo }, () => scale * rng.integer(20)); // with ties
    });
    return { seed, scores, roundTo, width: roundTo * (1 + rng.integer(numChunks)) };
  });

  it("keeps the budget exactly, in whole multiples", () => {
    for (const { seed, scores, roundTo, width } of cases) {
      const widths = global.allocate({ scores, roundTo, width });
      expect(
        widths.reduce((a, b) => a + b),
        `seed ${seed}`,
      ).toBe(scores.length * width);
      for (const [layer, kept] of widths.entries()) {
        expect(kept % roundTo).toBe(0);
        expect(kept).toBeGreaterThanOrEqual(roundTo);
        expect(kept).toBeLessThanOrEqual(scores[layer]!.length);
      }
      expect(global.allocate({ scores, roundTo, width })).toEqual(widths);
    }
  });

  it("drops no neuron that beats one it keeps, beyond each layer's first", () => {
    for (const { seed, scores, width } of cases) {
      const widths = global.allocate({ scores, roundTo: 1, width });
      const ranked = scores.map((score) => [...score].sort((a, b) => b - a));
      const bestDropped = Math.max(...ranked.map((score, l) => score[widths[l]!] ?? -Infinity));
      const worstKept = Math.min(
        ...ranked.map((score, l) => (widths[l]! > 1 ? score[widths[l]! - 1]! : Infinity)),
      );
      expect(worstKept, `seed ${seed}`).toBeGreaterThanOrEqual(bestDropped);
    }
  });

  it("never exceeds the budget where widths are no multiples", () => {
    for (const { seed, scores, roundTo, width } of cases) {
      const uneven = scores.map((score, l) =>
        score.subarray(0, Math.max(1, score.length - (l % (roundTo + 1)))),
      );
      const widths = global.allocate({ scores: uneven, roundTo, width });
      const budget = uneven.reduce((sum, score) => sum + Math.min(width, score.length), 0);
      expect(
        widths.reduce((a, b) => a + b),
        `seed ${seed}`,
      ).toBeLessThanOrEqual(budget);
      for (const [layer, kept] of widths.entries()) {
        expect(kept % roundTo === 0 || kept === uneven[layer]!.length).toBe(true);
        expect(kept).toBeGreaterThan(0);
      }
    }
  });
});

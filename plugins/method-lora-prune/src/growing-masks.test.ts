import { describe, expect, it } from "vitest";
import { GrowingMasks } from "./growing-masks.js";

describe("GrowingMasks", () => {
  it("keeps a running mean of 0.9 of the past and 0.1 of the new", () => {
    const masks = new GrowingMasks([2], 0.9);
    masks.observe([Float64Array.of(1, 2)]);
    masks.observe([Float64Array.of(3, 0)]);
    expect(masks.scores[0]![0]).toBeCloseTo(0.9 * 0.1 + 0.1 * 3, 12);
    expect(masks.scores[0]![1]).toBeCloseTo(0.9 * 0.2, 12);
  });

  it("masks the least salient neurons, for good", () => {
    const masks = new GrowingMasks([4], 0.9);
    masks.observe([Float64Array.of(4, 1, 3, 2)]);
    expect(masks.areOpen()).toBe(true);
    masks.grow([3]);
    expect(masks.areOpen()).toBe(false);
    expect([...masks.masks[0]!]).toEqual([1, 0, 1, 1]);
    masks.observe([Float64Array.of(0, 1000, 0, 0)]); // too late
    expect(masks.scores[0]![1]).toBe(0);
    masks.grow([2]);
    expect([...masks.masks[0]!]).toEqual([1, 0, 1, 0]);
    masks.grow([4]); // a schedule that rises again changes nothing
    expect([...masks.masks[0]!]).toEqual([1, 0, 1, 0]);
    expect(masks.select([2]).map((kept) => [...kept])).toEqual([[0, 2]]);
  });

  it("passes over a step whose salience is not finite", () => {
    const masks = new GrowingMasks([2, 1], 0.5);
    masks.observe([Float64Array.of(1, 1), Float64Array.of(1)]);
    masks.observe([Float64Array.of(5, 5), Float64Array.of(NaN)]);
    expect(masks.scores.map((layer) => [...layer])).toEqual([[0.5, 0.5], [0.5]]);
  });
});

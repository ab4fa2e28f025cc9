import { Rng } from "@sdmprune/core";
import { expect, it } from "vitest";
import { shuffledBatches } from "./window-order.js";

it("goes through all items before it takes one again, in an order that the seed gives", () => {
  const draw = (seed: number): number[][] => {
    const batches = shuffledBatches([1, 2, 3, 4, 5], 2, new Rng(seed));
    return Array.from({ length: 5 }, () => batches.next().value);
  };
  const batches = draw(0);
  expect(batches.map(({ length }) => length)).toEqual([2, 2, 2, 2, 2]);
  const flat = batches.flat();
  expect(flat.slice(0, 5).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(flat.slice(5).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(draw(0)).toEqual(batches);
  expect(draw(1)).not.toEqual(batches);
});

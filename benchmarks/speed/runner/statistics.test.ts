import { expect, it } from "vitest";
import { median } from "./statistics.js";

it("is the middle value by size, not by spelling", () => {
  expect(median([100, 9, 20])).toBe(20);
});

it("is the mean of the two middle values of an even number", () => {
  expect(median([4, 1, 3, 100])).toBe(3.5);
});

it("leaves the order of the repetitions as it was", () => {
  const ms = [3, 1, 2];
  median(ms);
  expect(ms).toEqual([3, 1, 2]);
});

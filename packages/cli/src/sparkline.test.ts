import { expect, it } from "vitest";
import { sparkline } from "./sparkline.js";

it("runs from the lowest to the highest value", () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe("▁▂▃▄▅▆▇█");
  expect(sparkline([3, 3, 3], 8)).toBe("▁▁▁");
});

it("shows means of equal stretches where there are more values than characters", () => {
  expect(sparkline([0, 2, 4, 6, 10, 12], 3)).toBe("▁▄█"); // means 1, 5, 11
});

it("leaves a gap for what is not a number", () => {
  expect(sparkline([1, NaN, 2], 3)).toBe("▁ █");
});

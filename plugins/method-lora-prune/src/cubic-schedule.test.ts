import { describe, expect, it } from "vitest";
import { cubicSparsity, widthAt } from "./cubic-schedule.js";

describe("the cubic schedule", () => {
  it("starts after a tenth of the steps, falls fast first, and holds the target for the last tenth", () => {
    const sparsity = [1, 10, 50, 89, 90, 100].map((step) => cubicSparsity(step, 100, 0.4));
    expect(sparsity.slice(0, 2)).toEqual([0, 0]);
    expect(sparsity[2]).toBeCloseTo(0.4 * (1 - 0.5 ** 3), 12); // half way
    expect(sparsity[3]).toBeLessThan(0.4);
    expect(sparsity.slice(4)).toEqual([0.4, 0.4]);
  });

  it("never falls", () => {
    const all = Array.from({ length: 37 }, (_, i) => cubicSparsity(i + 1, 37, 0.7));
    expect(all).toEqual([...all].sort((a, b) => a - b));
    expect(all.at(-1)).toBe(0.7);
  });

  it("reaches the target even in one step", () => {
    expect(cubicSparsity(1, 1, 0.5)).toBe(0.5);
  });

  it("keeps whole neurons, at the end exactly the width", () => {
    expect(widthAt(0, 48, 32)).toBe(48);
    expect(widthAt(0.11, 48, 32)).toBe(43); // 5.28 masked: 5
    expect(widthAt(1 - 32 / 48, 48, 32)).toBe(32);
  });
});

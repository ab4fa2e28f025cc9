import { Rng } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { clampLogAlpha, keptMultiplier, probabilityOfZero, sampleHardConcrete } from "./hard-concrete.js";

const STEP = 1e-6;
const slope = (f: (x: number) => number, x: number): number => (f(x + STEP) - f(x - STEP)) / (2 * STEP);

describe("hard concrete masks", () => {
  it("are in the middle for even odds and an even uniform", () => {
    expect(sampleHardConcrete(0, 0.5).z).toBeCloseTo(0.5, 12);
  });

  it("are exactly 0 or 1, without a gradient, where the stretched sample leaves the interval", () => {
    expect(sampleHardConcrete(-4, 0.3)).toEqual({ z: 0, derivative: 0 });
    expect(sampleHardConcrete(4, 0.7)).toEqual({ z: 1, derivative: 0 });
    expect(sampleHardConcrete(0, 0).z).toBe(0);
    expect(sampleHardConcrete(0, 1).z).toBe(1);
  });

  it.each([
    [0.3, 0.4],
    [-0.5, 0.6],
    [1, 0.3],
  ])("have the gradient of finite differences at log_alpha %d, u %d", (logAlpha, u) => {
    const { derivative } = sampleHardConcrete(logAlpha, u);
    expect(derivative).toBeCloseTo(
      slope((x) => sampleHardConcrete(x, u).z, logAlpha),
      6,
    );
  });

  it("are 0 as often as they say", () => {
    const rng = new Rng(3);
    for (const logAlpha of [-2, -0.5, 0.8]) {
      const zeros = Array.from({ length: 20000 }, () => sampleHardConcrete(logAlpha, rng.uniform()).z).filter(
        (z) => z === 0,
      ).length;
      expect(Math.abs(zeros / 20000 - probabilityOfZero(logAlpha).probability)).toBeLessThan(0.011); // 3 standard errors
    }
  });

  it("have a probability of 0 with the gradient of finite differences", () => {
    for (const logAlpha of [-3, 0, 2.5]) {
      const { derivative } = probabilityOfZero(logAlpha);
      expect(derivative).toBeCloseTo(
        slope((x) => probabilityOfZero(x).probability, logAlpha),
        8,
      );
    }
    expect(probabilityOfZero(100)).toEqual({ probability: 1e-6, derivative: 0 });
  });

  it("leave kept neurons a soft factor, and stay within odds of 100", () => {
    expect(keptMultiplier(0)).toBe(0.5);
    expect(keptMultiplier(Math.log(100))).toBeCloseTo(0.996, 3);
    expect(clampLogAlpha(7)).toBe(Math.log(100));
    expect(clampLogAlpha(-7)).toBe(-Math.log(100));
  });
});

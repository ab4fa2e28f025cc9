import { describe, expect, it } from "vitest";
import { Adam } from "./adam.js";
import { probabilityOfZero } from "./hard-concrete.js";
import { Lagrangian } from "./lagrangian.js";

const LOG_ALPHA = [Float64Array.of(1, -0.5, 2), Float64Array.of(0.2, 3, -1)];

/** Loss of the constraint, from its formula. */
function penalty(
  logAlpha: readonly Float64Array[],
  l1: Float64Array,
  l2: Float64Array,
  target: number,
): number {
  const means = logAlpha.map(
    (row) => row.reduce((sum, x) => sum + probabilityOfZero(x).probability, 0) / row.length,
  );
  const s = l1.length === 1 ? [(means[0]! + means[1]!) / 2] : means;
  return s.reduce((sum, each, g) => sum + l1[g]! * (each - target) + l2[g]! * (each - target) ** 2, 0);
}

describe("Lagrangian", () => {
  it.each([1, 2])(
    "has the gradient of finite differences with %i constraint(s) on 2 layers",
    (numConstraints) => {
      const lagrangian = new Lagrangian(numConstraints, 0.5);
      for (let i = 0; i < 3; i++) lagrangian.step(LOG_ALPHA, [0.6, 0.6]); // lambdas that are not zero
      const [l1, l2] = [lagrangian.lambda1.slice(), lagrangian.lambda2.slice()];
      const { byLogAlpha } = lagrangian.step(LOG_ALPHA, [0.6, 0.6]);
      for (const [layer, row] of LOG_ALPHA.entries()) {
        for (let n = 0; n < row.length; n++) {
          const at = (shift: number): number => {
            const moved = LOG_ALPHA.map((each) => each.slice());
            moved[layer]![n]! += shift;
            return penalty(moved, l1, l2, 0.6);
          };
          expect(byLogAlpha[layer]![n]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
        }
      }
    },
  );

  it("climbs where masks are too open, so that the gradient shuts them", () => {
    const lagrangian = new Lagrangian(1, 0.1);
    const { sparsity } = lagrangian.step(LOG_ALPHA, [0.9, 0.9]);
    expect(sparsity[0]).toBeLessThan(0.9);
    expect(lagrangian.lambda1[0]).toBeCloseTo(-0.1, 6); // a first step of Adam is the learning rate
    expect(lagrangian.lambda2[0]).toBeCloseTo(0.1, 6);
    const { byLogAlpha } = lagrangian.step(LOG_ALPHA, [0.9, 0.9]);
    expect(byLogAlpha.every((row) => row.every((g) => g > 0))).toBe(true);
  });
});

describe("Adam", () => {
  it("moves as the one of PyTorch 2.15 does", () => {
    const values = Float64Array.of(1, -2);
    const adam = new Adam(2, 0.1);
    adam.update(values, Float64Array.of(0.5, -4));
    adam.update(values, Float64Array.of(0.1, 2));
    expect(values[0]).toBeCloseTo(0.8196959063846518, 12);
    expect(values[1]).toBeCloseTo(-1.8733662963681956, 12);
  });
});

import { expect, it } from "vitest";
import { learningRateAt } from "./learning-rate.js";

it("rises in equal steps to the highest rate, then falls along a cosine to the final part of it", () => {
  const schedule = { learningRate: 0.1, warmupSteps: 10, finalPart: 0.2, numSteps: 110 };
  const rates = [0, 4, 9, 10, 60, 110, 500].map((step) => learningRateAt(step, schedule));
  const expected = [0.01, 0.05, 0.1, 0.1, 0.06, 0.02, 0.02];
  rates.forEach((rate, i) => expect(rate).toBeCloseTo(expected[i]!, 12));
});

import { expect, it } from "vitest";
import { planTraining } from "./training-plan.js";
import { windowsInRandomOrder } from "./window-sequences.js";

const windows = [1, 2, 3, 4, 5].map((n) => Int32Array.of(n, n));

/** First id of every window of a training of ten steps of one window. */
function order(seed: number): number[] {
  const plan = planTraining(windowsInRandomOrder(windows, seed), {
    epochs: 1,
    maxSteps: 10,
    batchSize: 1,
    gradientAccumulation: 1,
  });
  return Array.from({ length: 10 }, (_, i) => plan.batchesOf(i + 1).batches[0]![0]!.ids[0]!);
}

it("goes through all windows before it takes one again, in an order that the seed gives", () => {
  const ids = order(0);
  expect(ids.slice(0, 5).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(ids.slice(5).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(ids.slice(5)).not.toEqual(ids.slice(0, 5));
  expect(order(0)).toEqual(ids);
  expect(order(1)).not.toEqual(ids);
});

it("teaches every token but the first", () => {
  const { ids, labels, segmentLengths } = windowsInRandomOrder([Int32Array.of(7, 8, 9)], 0)(0).get(0);
  expect([...ids]).toEqual([7, 8, 9]);
  expect([...labels]).toEqual([-100, 8, 9]);
  expect(segmentLengths).toEqual([3]);
});

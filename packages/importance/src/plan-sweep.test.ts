import { describe, expect, it } from "vitest";
import type { CriterionNeeds, ImportanceCriterion } from "./criterion.js";
import { planSweep, weightGradientCopies } from "./plan-sweep.js";

const observing = (needs: CriterionNeeds): ImportanceCriterion => ({ needs, observe: () => {} });
const finishing: ImportanceCriterion = { needs: {}, finish: ({ score }) => score };
const plan = (criteria: Record<string, ImportanceCriterion>) => planSweep(new Map(Object.entries(criteria)));

describe("planSweep", () => {
  it("makes one pass of equal losses, however they are written", () => {
    const { losses, forwardOnly, observers } = plan({
      a: observing({ gradients: { loss: "cross-entropy" } }),
      b: observing({ activations: true, gradients: { loss: { kind: "cross-entropy" } } }),
      c: observing({ gradients: { loss: { kind: "blend", alpha: 0, tau: 0.5 } } }), // no distillation in it
      d: observing({ gradients: { loss: { kind: "blend", alpha: 0.4, tau: 0.2 } } }),
      e: observing({ activations: true }),
      f: finishing,
      g: {
        ...finishing,
        needs: { gradients: { loss: "cross-entropy" }, weightGradients: "mean-and-square" },
      },
    });
    expect(losses).toEqual([
      { loss: { kind: "cross-entropy" }, criteria: ["a", "b", "c"], summed: ["g"], withSquares: true },
      { loss: { kind: "blend", alpha: 0.4, tau: 0.2 }, criteria: ["d"], summed: [], withSquares: false },
    ]);
    expect(forwardOnly).toEqual(["e"]);
    expect(observers).toEqual(["e", "a", "b", "c", "g", "d"]);
  });

  it("plans no pass for criteria of weights alone", () => {
    expect(plan({ finishing })).toEqual({ observers: [], forwardOnly: [], losses: [] });
  });

  it.each<[string, ImportanceCriterion, string]>([
    [
      "weight gradients of no loss",
      { ...finishing, needs: { activations: true, weightGradients: "mean" } },
      "expected needs.gradients with needs.weightGradients, to say of which loss; got none.",
    ],
    [
      "weight gradients and does not finish",
      observing({ gradients: { loss: "cross-entropy" }, weightGradients: "mean" }),
      "expected finish() with needs.weightGradients, got none.",
    ],
    [
      "several sums and does not finish",
      { ...observing({ activations: true }), numSums: 2 },
      "expected finish() with numSums 2, got none.",
    ],
    ["half a sum", { ...finishing, numSums: 0.5 }, "expected numSums to be a positive integer, got 0.5."],
  ])("refuses a criterion that wants %s", (_what, criterion, message) => {
    expect(() => plan({ mine: criterion })).toThrow(`importance "mine": ${message}`);
  });

  it("counts the sums of weight gradients of distinct losses once, and squares as much again", () => {
    const summing = (loss: "cross-entropy" | "entropy", weightGradients: "mean" | "mean-and-square") => ({
      ...finishing,
      needs: { gradients: { loss }, weightGradients },
    });
    const copies = (...criteria: ImportanceCriterion[]) =>
      weightGradientCopies(new Map(criteria.map((each, i) => [`${i}`, each])));
    expect(copies(finishing)).toBe(0);
    expect(copies(summing("entropy", "mean"), summing("entropy", "mean"))).toBe(1);
    expect(copies(summing("entropy", "mean"), summing("entropy", "mean-and-square"))).toBe(2);
    expect(copies(summing("entropy", "mean"), summing("cross-entropy", "mean-and-square"))).toBe(3);
  });

  it.each<[string, ImportanceCriterion, string]>([
    [
      "needs and cannot see",
      { ...finishing, needs: { activations: true } },
      'needs {"activations":true} with finish()',
    ],
    ["sees and has no needs", observing({}), "needs {} with observe()"],
    ["does nothing", { needs: {} }, "needs {} with neither"],
  ])("refuses a criterion that %s", (_what, criterion, got) => {
    expect(() => plan({ mine: criterion })).toThrow(
      `importance "mine": expected observe() where needs says activations or gradients, and finish() where it says neither. Got ${got}.`,
    );
  });
});

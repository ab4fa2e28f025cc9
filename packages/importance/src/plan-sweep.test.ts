import { describe, expect, it } from "vitest";
import type { CriterionNeeds, ImportanceCriterion } from "./criterion.js";
import { planSweep } from "./plan-sweep.js";

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
    });
    expect(losses).toEqual([
      { loss: { kind: "cross-entropy" }, criteria: ["a", "b", "c"] },
      { loss: { kind: "blend", alpha: 0.4, tau: 0.2 }, criteria: ["d"] },
    ]);
    expect(forwardOnly).toEqual(["e"]);
    expect(observers).toEqual(["e", "a", "b", "c", "d"]);
  });

  it("plans no pass for criteria of weights alone", () => {
    expect(plan({ finishing })).toEqual({ observers: [], forwardOnly: [], losses: [] });
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

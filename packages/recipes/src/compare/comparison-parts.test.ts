import { describe, expect, it } from "vitest";
import { contentKey } from "./cell-store.js";
import type { JudgedSubject } from "./collect-results.js";
import { compareWithReference } from "./compare-with-reference.js";
import { EtaEstimate } from "./eta-estimate.js";
import { keptOverlaps } from "./kept-overlap.js";
import { formatMean } from "./leaderboard.js";
import { meanOver } from "./mean.js";

interface Parts {
  readonly label: string;
  readonly seed?: number;
  readonly kept?: number[][];
  readonly windows?: number[];
  readonly answers?: number[];
}

const record = (value: object): never => ({ value }) as never;

function judged({ label, seed = 0, kept, windows, answers }: Parts): JudgedSubject {
  const documents = answers?.map((acc, docId) => ({
    docId,
    promptHash: "",
    targetHash: "",
    metrics: { acc },
  }));
  return {
    subject: { id: label, label, ratio: 0.25, seed },
    prune:
      kept && record({ kept, widths: kept.map((each) => each.length), intermediateSizes: kept.map(() => 4) }),
    perplexity: new Map(windows && [["text", record({ windows })]]),
    tasks: documents && record({ tasks: [{ task: "t", metrics: {}, documents }] }),
    layerError: undefined,
  };
}

describe("the parts of a comparison", () => {
  it("give a mean its standard error over the seeds, and one value none", () => {
    // 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7
    expect(meanOver([1, 2, 6])).toEqual({ mean: 3, stderr: Math.sqrt(7 / 3), n: 3 });
    expect(meanOver([5])).toEqual({ mean: 5, stderr: undefined, n: 1 });
    expect(meanOver([1.6915657, 1.6915657, 1.6915657])).toEqual({ mean: 1.6915657, stderr: 0, n: 3 });
    expect([
      formatMean({ mean: 1.8524, stderr: 0.0123, n: 3 }, 1),
      formatMean({ mean: 1.48304, stderr: 0.0002, n: 3 }, 1),
      formatMean({ mean: 120.34, stderr: 0, n: 3 }, 1),
      formatMean({ mean: 0.4321, stderr: undefined, n: 1 }, 100),
    ]).toEqual(["1.852 ± 0.012", "1.4830 ± 0.0002", "120.3", "43.2"]);
  });

  it("measure overlap by layer, on the diagonal with the other seeds", () => {
    const [overlap] = keptOverlaps([
      judged({
        label: "a",
        kept: [
          [0, 1],
          [0, 1, 2],
        ],
      }),
      judged({
        label: "a",
        seed: 1,
        kept: [
          [0, 2],
          [0, 1, 2],
        ],
      }),
      judged({
        label: "b",
        kept: [
          [1, 2],
          [0, 1, 3],
        ],
      }),
    ]);
    const [third, half] = [1 / 3, 1 / 2];
    expect(overlap).toMatchObject({ ratio: 0.25, labels: ["a", "b"] });
    expect(overlap!.jaccard).toEqual([
      [(third + 1) / 2, (third + half) / 2],
      [(third + half) / 2, undefined],
    ]);
    // of 4 neurons 2 and 3: p / (2 - p)
    expect(overlap!.chance).toBeCloseTo((0.5 / 1.5 + 0.75 / 1.25) / 2, 12);
  });

  it("test a method on the seeds that both have, by window and by document", () => {
    const reference = [
      judged({ label: "r", windows: [1, 2, 3, 4], answers: [1, 0, 0, 1, 1, 0] }),
      judged({ label: "r", seed: 1, windows: [3, 2, 3, 4], answers: [1, 0, 0, 1, 1, 0] }),
    ];
    const ours = [
      judged({ label: "m", windows: [2, 3, 4, 5], answers: [1, 1, 1, 1, 1, 1] }),
      judged({ label: "m", seed: 1, windows: [4, 3, 4, 5], answers: [1, 1, 0, 1, 1, 1] }),
      judged({ label: "m", seed: 2, windows: [9, 9, 9, 9] }),
    ];
    const { nll, accuracy, mcNemar } = compareWithReference(ours, reference, ["text", "another"]);
    // Every window is worse by exactly 1.
    expect(nll["text"]).toMatchObject({ difference: 1, stderr: 0, low: 1, high: 1 });
    expect(nll["another"]).toBeUndefined();
    // Means 0.5 and (1 + 5 / 6) / 2.
    expect(accuracy!.difference).toBeCloseTo(11 / 12 - 1 / 2, 12);
    // Three documents that only ours got right: 2 * (1/2)^3.
    expect(mcNemar).toEqual({ onlyFirst: 0, onlySecond: 3, pValue: expect.closeTo(0.25, 12) });
  });

  it("estimate the time left by kind, and say when some kind has not run yet", () => {
    const eta = new EtaEstimate(["prune", "prune", "perplexity", "perplexity"]);
    eta.finish("prune", 4);
    expect(eta.text()).toBe(", at least 4 s left");
    eta.finish("perplexity", 10);
    expect(eta.text()).toBe(", about 14 s left");
    eta.skip("prune");
    eta.finish("perplexity", 10);
    expect(eta.text()).toBe("");
  });

  it("name content by value, whatever the order of its keys", () => {
    expect(contentKey({ a: 1, b: { c: [1, 2], d: "x" } })).toBe(
      contentKey({ b: { d: "x", c: [1, 2] }, a: 1 }),
    );
    expect(contentKey({ a: [1, 2] })).not.toBe(contentKey({ a: [2, 1] }));
  });
});

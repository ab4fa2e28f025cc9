import type { ProgressEvent } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { perplexity, type PerplexityOptions } from "./perplexity.js";
import { perplexityWindows } from "./perplexity-windows.js";
import type { TokenScorer } from "./token-scorer.js";

const BOS = 0;
/** Probability of the column's token after the row's, over a vocabulary of BOS, 1, 2. */
const BIGRAM = [
  [0, 1 / 2, 1 / 2], // after BOS
  [0, 1 / 4, 3 / 4], // after 1
  [0, 1 / 8, 7 / 8], // after 2
];

const bigram: TokenScorer = {
  maxLength: 16,
  score: async (ids, numContext) =>
    Float64Array.from(ids.subarray(numContext), (id, i) => Math.log(BIGRAM[ids[numContext + i - 1]!]![id]!)),
};

/** Records what it is asked for; every token gets probability 1/2. */
function recording(maxLength = 16) {
  const asked: string[] = [];
  const scorer: TokenScorer = {
    maxLength,
    score: async (ids, numContext) => {
      asked.push(
        `${Array.from(ids.subarray(0, numContext)).join(" ")} | ${Array.from(ids.subarray(numContext)).join(" ")}`,
      );
      return new Float64Array(ids.length - numContext).fill(-Math.LN2);
    },
  };
  return { scorer, asked };
}

const SEVEN = [1, 2, 3, 4, 5, 6, 7];

describe("perplexity", () => {
  it("is the exponential of the mean negative log-likelihood, checked by hand on a bigram table", async () => {
    // P(1|2) * P(2|1) * P(2|2) = 1/8 * 3/4 * 7/8
    const none = await perplexity(bigram, [2, 1, 2, 2], { bos: "none" });
    expect(none.tokens).toBe(3);
    expect(none.nll).toBeCloseTo(-Math.log(21 / 256) / 3, 14);
    expect(none.perplexity).toBeCloseTo((256 / 21) ** (1 / 3), 13);
    // P(2|BOS) = 1/2 in front
    const each = await perplexity(bigram, [2, 1, 2, 2], { bosTokenId: BOS });
    expect(each).toEqual({
      perplexity: expect.closeTo((512 / 21) ** (1 / 4), 13),
      nll: expect.any(Number),
      tokens: 4,
      window: 16,
      stride: 16,
      bos: "each",
    });
  });

  it("averages over tokens, not over windows", async () => {
    // windows [2 1 2] and [2 2]: (P(1|2) P(2|1)) and P(2|2)
    const { nll, tokens } = await perplexity(bigram, [2, 1, 2, 2, 2], { window: 3, bos: "none" });
    expect(tokens).toBe(3);
    expect(nll).toBeCloseTo(-(Math.log(1 / 8) + Math.log(3 / 4) + Math.log(7 / 8)) / 3, 14);
  });

  it.each<[string, PerplexityOptions, string[]]>([
    ["without overlap", { window: 4, bos: "none" }, ["1 | 2 3 4", "5 | 6 7"]],
    ["with a stride", { window: 4, stride: 2, bos: "none" }, ["1 | 2 3 4", "3 4 | 5 6", "5 6 | 7"]],
    [
      "with a stride of 1",
      { window: 4, stride: 1, bos: "none" },
      ["1 | 2 3 4", "2 3 4 | 5", "3 4 5 | 6", "4 5 6 | 7"],
    ],
    [
      "with BOS at the start of the text",
      { window: 4, bos: "first", bosTokenId: BOS },
      ["0 | 1 2 3", "4 | 5 6 7"],
    ],
    [
      "with BOS at the start and a stride",
      { window: 4, stride: 2, bos: "first", bosTokenId: BOS },
      ["0 | 1 2 3", "2 3 | 4 5", "4 5 | 6 7"],
    ],
    [
      "with BOS in each window",
      { window: 4, bos: "each", bosTokenId: BOS },
      ["0 | 1 2 3", "0 | 4 5 6", "0 | 7"],
    ],
    [
      "with BOS in each window and a stride",
      { window: 4, stride: 2, bos: "each", bosTokenId: BOS },
      ["0 | 1 2 3", "0 3 | 4 5", "0 5 | 6 7"],
    ],
    ["in one window that is not full", { window: 16, bos: "none" }, ["1 | 2 3 4 5 6 7"]],
    ["in windows that leave a single token over", { window: 3, bos: "none" }, ["1 | 2 3", "4 | 5 6"]],
  ])("cuts a text %s", async (_, options, expected) => {
    const { scorer, asked } = recording();
    const { tokens, perplexity: value } = await perplexity(scorer, SEVEN, options);
    expect(asked).toEqual(expected);
    const numCounted = expected.map((window) => window.split(" | ")[1]!.split(" ").length);
    expect(tokens).toBe(numCounted.reduce((sum, count) => sum + count));
    expect(value).toBeCloseTo(2, 14);
  });

  it("leaves out the last window where it is not full, if asked to", async () => {
    const { scorer, asked } = recording();
    const result = await perplexity(scorer, SEVEN, {
      window: 3,
      bos: "first",
      bosTokenId: BOS,
      dropPartial: true,
    });
    expect(asked).toEqual(["0 | 1 2", "3 | 4 5"]);
    expect(result).toMatchObject({ tokens: 4, dropPartial: true });
    await expect(perplexity(scorer, [1, 2], { window: 3, bos: "none", dropPartial: true })).rejects.toThrow(
      "expected a text of at least 3 tokens, got 2.",
    );
  });

  it("tells of each window, and counts only the first so many if asked to", async () => {
    const windows: { nll: number; tokens: number }[] = [];
    const result = await perplexity(bigram, [2, 1, 2, 2, 2, 1, 1], {
      window: 3,
      bos: "none",
      maxWindows: 2,
      onWindow: (window) => windows.push(window),
    });
    // [2 1 2]: P(1|2) P(2|1); [2 2 1]: P(2|2) P(1|2)
    expect(windows.map(({ tokens }) => tokens)).toEqual([2, 2]);
    expect(windows[0]!.nll).toBeCloseTo(-Math.log(3 / 32), 14);
    expect(windows[1]!.nll).toBeCloseTo(-Math.log(7 / 64), 14);
    expect(result).toMatchObject({ tokens: 4, nll: (windows[0]!.nll + windows[1]!.nll) / 4 });
  });

  it("counts no token twice, and all but the first of each text or window, for every window and stride", () => {
    for (const bos of ["none", "first", "each"] as const) {
      for (let window = 2; window <= 9; window++) {
        for (let stride = 1; stride <= window; stride++) {
          const ids = Int32Array.from({ length: 23 }, (_, i) => i + 1);
          const positions: number[] = [];
          for (const part of perplexityWindows(ids, { window, stride, bos, bosTokenId: BOS })) {
            expect(part.ids.length).toBeLessThanOrEqual(window);
            for (let i = part.numContext; i < part.ids.length; i++) {
              const position = part.position + i - part.numContext;
              expect(part.ids[i]).toBe(ids[position]);
              positions.push(position);
            }
          }
          expect(new Set(positions).size).toBe(positions.length);
          const skipped = 23 - positions.length;
          if (bos === "each" || (bos === "first" && stride < window)) expect(skipped).toBe(0);
          if (bos === "none" && stride < window) expect(skipped).toBe(1);
          if (bos === "none" && stride === window) expect(skipped).toBe(Math.ceil(23 / window));
          if (bos === "first" && stride === window) expect(skipped).toBe(Math.ceil(24 / window) - 1);
        }
      }
    }
  });

  it("takes the model's longest sequence as window when that is under 2048", async () => {
    expect((await perplexity(recording(16).scorer, SEVEN)).window).toBe(16);
    expect(await perplexity(recording(100_000).scorer, SEVEN)).toMatchObject({
      window: 2048,
      stride: 2048,
      bos: "none",
    });
  });

  it("tells about its windows as it goes", async () => {
    const events: ProgressEvent[] = [];
    await perplexity(recording().scorer, SEVEN, { window: 4, progress: (event) => events.push(event) });
    expect(events.map((event) => ("done" in event ? event.done : event.type))).toEqual([
      "start",
      1,
      2,
      "end",
    ]);
  });

  it.each<[PerplexityOptions, string]>([
    [{ window: 1 }, "window: expected an integer of at least 2, got 1."],
    [{ window: 17 }, "window: expected at most 16, the model's longest sequence, got 17."],
    [{ window: 4, stride: 5 }, "stride: expected an integer from 1 to the window (4), got 5."],
    [{ maxWindows: 0 }, "maxWindows: expected an integer of at least 1, got 0."],
    [{ stride: 0 }, "stride: expected an integer from 1 to the window (16), got 0."],
    [{ bos: "always" as never }, 'bos: expected each, first or none, got "always".'],
    [{ bos: "each" }, 'bos: expected a tokenizer with a BOS token for "each", got one without. Use "none".'],
  ])("refuses %o", async (options, message) => {
    await expect(perplexity(bigram, SEVEN, options)).rejects.toThrow(message);
  });

  it("refuses a text in which nothing counts", async () => {
    await expect(perplexity(bigram, [1])).rejects.toThrow("expected a text of at least 2 tokens, got 1.");
    await expect(perplexity(bigram, [], { bosTokenId: BOS })).rejects.toThrow(
      "expected a text of at least 1 token, got 0.",
    );
  });

  it("stops at a log-probability that is not finite, naming the token", async () => {
    const broken: TokenScorer = {
      maxLength: 4,
      score: async (ids, numContext) =>
        Float64Array.from(ids.subarray(numContext), (id) => (id === 6 ? NaN : -1)),
    };
    for (const bos of ["none", "first", "each"] as const) {
      await expect(perplexity(broken, SEVEN, { bos, bosTokenId: BOS })).rejects.toThrow(
        "perplexity: expected a finite log-probability for token 5 of the text, got NaN.",
      );
    }
  });

  it("stops when the signal is aborted", async () => {
    await expect(perplexity(bigram, [1, 2], { signal: AbortSignal.abort() })).rejects.toThrow("Interrupted");
  });
});

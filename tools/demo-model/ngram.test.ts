import { Rng } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { trainTrigram, trigramPerplexity } from "./ngram.js";

/** Tokens of a chain in which every token depends on the two before it. */
function chain(seed: number, length: number, vocabSize: number): number[] {
  const rng = new Rng(seed, "chain");
  const ids = [0, 1];
  while (ids.length < length) {
    const [a, b] = ids.slice(-2) as [number, number];
    ids.push(rng.uniform() < 0.7 ? (a * 3 + b * 5 + 1) % vocabSize : rng.integer(vocabSize));
  }
  return ids;
}

describe("trainTrigram", () => {
  it("gives probabilities that sum to 1 after any two tokens, seen or not", () => {
    const vocabSize = 13;
    const model = trainTrigram(chain(1, 400, vocabSize - 2), vocabSize); // two ids never occur
    for (let a = 0; a < vocabSize; a++) {
      for (let b = 0; b < vocabSize; b++) {
        let sum = 0;
        for (let id = 0; id < vocabSize; id++) {
          const p = model.probability(a, b, id);
          expect(p).toBeGreaterThan(0);
          sum += p;
        }
        expect(sum).toBeCloseTo(1, 12);
      }
    }
  });

  it("agrees with a count by hand", () => {
    // 0 1 2, 0 1 2, 0 1 3 as one text. Trigrams: 012 x2, 120 x2, 201 x2, 013 x1. Discounts fall back on
    // one = 1, two = 3: y = 1/7, D1 = 1 - 2y*3 = 1/7, D2 = 2 (no trigram three times).
    const model = trainTrigram([0, 1, 2, 0, 1, 2, 0, 1, 3], 4);
    // Bigrams by continuation: 12, 20, 01, 13, one context each. one = 4, two = 0: y = 1, D1 = 1.
    // Unigrams: 2, 0, 1, 3, one context each: D1 = 1. So both lower orders give 1/4.
    expect(model.probability(0, 1, 3)).toBeCloseTo((1 - 1 / 7) / 3 + ((2 + 1 / 7) / 3) * (1 / 4), 12);
    expect(model.probability(0, 1, 2)).toBeCloseTo((2 - 2) / 3 + ((2 + 1 / 7) / 3) * (1 / 4), 12);
    expect(model.probability(3, 3, 0)).toBeCloseTo(1 / 4, 12);
  });

  it("comes close to the entropy of a chain of that order", () => {
    const vocabSize = 11;
    const model = trainTrigram(chain(1, 60_000, vocabSize), vocabSize);
    const right = 0.7 + 0.3 / vocabSize;
    const wrong = 0.3 / vocabSize;
    const entropy = -right * Math.log(right) - (vocabSize - 1) * wrong * Math.log(wrong);
    expect(Math.log(trigramPerplexity(model, chain(2, 20_000, vocabSize)))).toBeCloseTo(entropy, 1);
  });

  it("refuses texts without a trigram and ids outside the vocabulary", () => {
    expect(() => trainTrigram([1, 2], 4)).toThrow("expected at least 3 tokens, got 2");
    expect(() => trainTrigram([1, 2, 7], 4)).toThrow("expected ids from 0 to 3, got 7 at position 2");
  });
});

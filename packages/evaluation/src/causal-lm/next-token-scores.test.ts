import { tf, type LanguageModelHead } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { nextTokenScores } from "./next-token-scores.js";

/** A head whose logits are the hidden state itself. */
function identityHead(vocabSize: number, chunkSize: number): LanguageModelHead {
  return {
    vocabSize,
    chunkSize,
    chunk: (start, end) =>
      Promise.resolve(
        tf.tensor2d(
          Array.from({ length: end - start }, (_, i) =>
            Array.from({ length: vocabSize }, (_, j) => Number(start + i === j)),
          ),
        ),
      ),
  };
}

describe("nextTokenScores", () => {
  beforeAll(activateCpuBackend);

  it.each([5, 2, 1])("is the log-softmax, with chunks of %i of the vocabulary", async (chunkSize) => {
    const hidden = tf.tensor2d([
      [0, Math.log(2), Math.log(5), -Infinity, -Infinity].map((z) => Math.max(z, -80)),
      [9, 9, 9, 9, 9],
      [-3, 100, -2, 4, 100],
    ]);
    const queries = [
      { row: 2, token: 4 },
      { row: 0, token: 2 },
      { row: 0, token: 0 },
      { row: 2, token: 1 },
    ];
    const before = tf.memory().numTensors;
    const scores = await nextTokenScores(identityHead(5, chunkSize), hidden, queries);
    expect(tf.memory().numTensors).toBe(before);
    const expected = [Math.log(1 / 2), Math.log(5 / 8), Math.log(1 / 8), Math.log(1 / 2)];
    scores.forEach(({ logprob }, q) => expect(logprob).toBeCloseTo(expected[q]!, 6));
    // The first of equals is the greedy one.
    expect(scores.map(({ isGreedy }) => isGreedy)).toEqual([false, true, false, true]);
    hidden.dispose();
  });

  it("sums in float64: a tail below float32's precision counts", async () => {
    const vocabSize = 4097;
    const hidden = tf.tensor2d([[1]]);
    const logits = [0, ...new Array<number>(vocabSize - 1).fill(-22)];
    const chunk = (start: number, end: number) =>
      Promise.resolve(tf.tensor2d(logits.slice(start, end), [end - start, 1]));
    const head = { vocabSize, chunkSize: vocabSize, chunk };
    const [score] = await nextTokenScores(head, hidden, [{ row: 0, token: 0 }]);
    const tail = (vocabSize - 1) * Math.exp(-22); // 1.1e-6, of terms of 2.8e-10
    expect(score!.logprob / -Math.log1p(tail)).toBeCloseTo(1, 6);
    hidden.dispose();
  });
});

import { NonFiniteError, ShapeError } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ScoreAccumulator } from "./score-accumulator.js";

describe("ScoreAccumulator", () => {
  let scores: ScoreAccumulator;
  let before: number;
  beforeAll(activateCpuBackend);
  beforeEach(() => {
    before = tf.memory().numTensors;
    scores = new ScoreAccumulator("mine", [2, 3]);
  });

  it("adds increments up per layer, in float64", async () => {
    for (let sample = 0; sample < 3; sample++) {
      scores.add(0, tf.tensor1d([1, 2 ** -30])); // 1 + 2^-30 is no float32
      scores.add(1, tf.tensor2d([[1, 2, 3]]));
      await scores.flush("sample");
    }
    expect(scores.sums.map((sum) => Array.from(sum))).toEqual([
      [3, 3 * 2 ** -30],
      [3, 6, 9],
    ]);
    scores.add(0, tf.tensor1d([2 ** -30, 1]));
    await scores.flush("sample");
    expect(Array.from(scores.sums[0]!)).toEqual([3 + 2 ** -30, 1 + 3 * 2 ** -30]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("names criterion, layer, sample and neuron of a value that is not finite, and frees the rest", async () => {
    scores.add(0, tf.tensor1d([1, 1]));
    scores.add(1, tf.tensor1d([1, NaN, 1]));
    scores.add(1, tf.tensor1d([1, 1, 1]));
    const flushing = scores.flush("sample a.txt at token 7");
    await expect(flushing).rejects.toThrow(NonFiniteError);
    await expect(flushing).rejects.toThrow(
      'importance "mine": layer 1, sample a.txt at token 7: neuron 1 got the score NaN.',
    );
    scores.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses an increment of another width or layer, and frees it with the rest", () => {
    const addingTo = (layer: number) => () => scores.add(layer, tf.ones([4]));
    expect(addingTo(0)).toThrow(ShapeError);
    expect(addingTo(0)).toThrow(
      'importance "mine": expected an increment of 2 values for layer 0, got shape [4].',
    );
    expect(addingTo(2)).toThrow('importance "mine": expected a layer from 0 to 1, got 2.');
    scores.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

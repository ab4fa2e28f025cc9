import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues } from "../../test/finite-difference.js";
import { causalAttention } from "./causal-attention.js";
import {
  segmentedAttention,
  segmentedAttentionBackward,
  type AttentionSegment,
} from "./segmented-attention.js";

useCpuBackend();

const HEADS = { q: 4, k: 2, v: 2 };
const D = 3;
const scale = 0.7;

function randomInputs(numTokens: number) {
  const make = (name: keyof typeof HEADS) =>
    tensor<tf.Tensor4D>(randomValues(name, numTokens * HEADS[name] * D), [1, numTokens, HEADS[name], D]);
  return { q: make("q"), k: make("k"), v: make("v") };
}

/** Attention over some of the tokens alone, one after another; the result of the last `numQueries`. */
function attentionOver({ q, k, v }: ReturnType<typeof randomInputs>, tokens: number[], numQueries: number) {
  return tf.tidy(() => {
    const some = (x: tf.Tensor4D, ids: number[]) => tf.gather(x, tf.tensor1d(ids, "int32"), 1);
    const queries = some(q, tokens.slice(-numQueries));
    return [...causalAttention(queries, some(k, tokens), some(v, tokens), { scale }).dataSync()];
  });
}

describe("segmentedAttention", () => {
  it("is attention over each chain of segments by itself, to the bit", async () => {
    await expectNoLeak(() => {
      const inputs = randomInputs(9);
      // 0 1 | 2 3 4 and 5 both after 0 1 | 6 after 5 | 7 8 alone
      const segments: AttentionSegment[] = [
        { length: 2 },
        { length: 3, after: 0 },
        { length: 1, after: 0 },
        { length: 1, after: 2 },
        { length: 2 },
      ];
      const output = segmentedAttention(inputs.q, inputs.k, inputs.v, segments, { scale });
      expect(output.shape).toEqual([1, 9, 4, 3]);
      expect([...output.dataSync()]).toEqual([
        ...attentionOver(inputs, [0, 1], 2),
        ...attentionOver(inputs, [0, 1, 2, 3, 4], 3),
        ...attentionOver(inputs, [0, 1, 5], 1),
        ...attentionOver(inputs, [0, 1, 5, 6], 1),
        ...attentionOver(inputs, [7, 8], 2),
      ]);
      tf.dispose([output, ...Object.values(inputs)]);
    });
  });

  it.each<[string, AttentionSegment[], string]>([
    ["no tokens", [{ length: 0 }], "segment 0 must have at least one token, got 0."],
    ["a later segment before it", [{ length: 2, after: 1 }, { length: 1 }], "segment 0 must come after an earlier one, got 1."], // prettier-ignore
    ["itself before it", [{ length: 1 }, { length: 2, after: 1 }], "segment 1 must come after an earlier one, got 1."], // prettier-ignore
  ])("refuses a segment with %s", (_, segments, message) => {
    const { q, k, v } = randomInputs(3);
    expect(() => segmentedAttention(q, k, v, segments, { scale })).toThrow(`segmentedAttention: ${message}`);
    tf.dispose([q, k, v]);
  });

  it("refuses segments that do not cover the tokens, and batches", () => {
    const { q, k, v } = randomInputs(3);
    expect(() => segmentedAttention(q, k, v, [{ length: 2 }], { scale })).toThrow(
      "segmentedAttention: segments must cover N=3 tokens, got 2.",
    );
    const batch = tf.zeros<tf.Rank.R4>([2, 3, 4, 3]);
    expect(() => segmentedAttention(batch, k, v, [{ length: 3 }], { scale })).toThrow(
      "segmentedAttention: q must have shape [1, N, Nq, D], got [2, 3, 4, 3].",
    );
    tf.dispose([q, k, v, batch]);
  });
});

describe("segmentedAttentionBackward", () => {
  it("is the gradient of finite differences, through the keys that several segments see", async () => {
    await expectNoLeak(() => {
      const segments: AttentionSegment[] = [
        { length: 2 },
        { length: 3, after: 0 },
        { length: 1, after: 1 },
        { length: 2, after: 0 },
        { length: 1 },
      ];
      const inputs = randomInputs(9);
      const weights = tensor<tf.Tensor4D>(randomValues("dOut", 9 * HEADS.q * D), [1, 9, HEADS.q, D]);
      const value = (given: typeof inputs): number =>
        tf.tidy(() => {
          const output = segmentedAttention(given.q, given.k, given.v, segments, { scale });
          const [a, b] = [output.dataSync<"float32">(), weights.dataSync<"float32">()];
          return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
        });
      const { q, k, v } = inputs;
      const out = segmentedAttention(q, k, v, segments, { scale });
      const { dq, dk, dv } = segmentedAttentionBackward(q, k, v, out, weights, segments, { scale });
      for (const [name, gradient] of [
        ["q", dq],
        ["k", dk],
        ["v", dv],
      ] as const) {
        // prettier-ignore
        const given = inputs[name];
        const values = given.dataSync();
        for (let i = 0; i < values.length; i += 5) {
          const at = (step: number): number =>
            tf.tidy(() => {
              const moved = values.slice();
              moved[i]! += step;
              return value({ ...inputs, [name]: tensor<tf.Tensor4D>(moved, given.shape) });
            });
          expect(gradient.dataSync()[i]!).toBeCloseTo((at(1e-2) - at(-1e-2)) / 2e-2, 2);
        }
      }
      tf.dispose([dq, dk, dv, out, weights, ...Object.values(inputs)]);
    });
  });
});

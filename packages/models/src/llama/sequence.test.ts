import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CausalLM } from "../causal-lm.js";
import { forwardHidden } from "../forward.js";
import { KeyValueCache } from "../key-value-cache.js";
import { llamaFamily } from "./family.js";

describe("a pass over segments", () => {
  const context = [7, 3, 3, 120];
  const continuations = [[64, 9], [5], [200, 31, 5]];
  const segments = [{ length: 4 }, ...continuations.map(({ length }) => ({ length, after: 0 }))];
  const packed = Int32Array.from([...context, ...continuations.flat()]);
  let model: CausalLM;

  beforeAll(async () => {
    await activateCpuBackend();
    const { config, source } = tinyLlama();
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config));
  });
  afterAll(() => model.dispose());

  const hiddenOf = async (ids: Int32Array, options = {}): Promise<number[][]> => {
    const hidden = await forwardHidden(model, ids, 1, options);
    const rows = await hidden.array();
    hidden.dispose();
    return rows;
  };

  it("gives every continuation what it has alone after the context", async () => {
    const together = await hiddenOf(packed, { segments });
    const before = tf.memory().numTensors;
    let next = context.length;
    for (const continuation of continuations) {
      const alone = await hiddenOf(Int32Array.from([...context, ...continuation]));
      expect(together.slice(0, 4)).toEqual(alone.slice(0, 4));
      expect(together.slice(next, (next += continuation.length))).toEqual(alone.slice(4));
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it("cannot be joined with a cache, a bias or a batch, nor pass the last position", async () => {
    const message =
      "sequence: expected segments in one sequence, without a cache or an attention bias. Leave these out.";
    const cache = new KeyValueCache(model.config.numLayers);
    await expect(hiddenOf(packed, { segments, cache })).rejects.toThrow(message);
    await expect(forwardHidden(model, packed, 2, { segments })).rejects.toThrow(message);
    const attentionBias = tf.zeros<tf.Rank.R4>([1, 1, 1, 1]);
    await expect(hiddenOf(packed, { segments, attentionBias })).rejects.toThrow(message);
    attentionBias.dispose();
    const long = [{ length: 127 }, { length: 2, after: 0 }];
    await expect(hiddenOf(new Int32Array(129), { segments: long })).rejects.toThrow(
      "sequence: expected positions from 0 to 127 (max_position_embeddings), got 128.",
    );
  });
});

import { tf } from "@sdmprune/tensor";
import { Rng } from "@sdmprune/core";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CausalLM } from "./causal-lm.js";
import { forwardHidden } from "./forward.js";
import { generate } from "./generate.js";
import { KeyValueCache } from "./key-value-cache.js";
import { headLogits } from "./language-model-head.js";
import { llamaFamily } from "./llama/family.js";
import { sampleToken } from "./sample-token.js";

const draw = (logits: number[], temperature: number, topP: number, times = 4000): number[] => {
  const rng = new Rng(1);
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < times; i++) counts[sampleToken(logits, { temperature, topP }, rng)]!++;
  return counts.map((count) => count / times);
};

describe("sampleToken", () => {
  const logits = [0, Math.log(2), Math.log(5), -Infinity]; // probabilities 1/8, 2/8, 5/8, 0

  it("takes the likeliest token at temperature 0, the first of equals", () => {
    expect(sampleToken([1, 3, 3], { temperature: 0, topP: 1 }, new Rng(0))).toBe(1);
  });

  it("draws from the softmax", () => {
    const shares = draw(logits, 1, 1);
    [1 / 8, 2 / 8, 5 / 8, 0].forEach((p, id) => expect(Math.abs(shares[id]! - p)).toBeLessThan(0.025));
  });

  it("sharpens with a temperature below 1", () => {
    const shares = draw(logits, 0.5, 1); // squares: 1, 4, 25 of 30
    [1 / 30, 4 / 30, 25 / 30].forEach((p, id) => expect(Math.abs(shares[id]! - p)).toBeLessThan(0.025));
  });

  it("leaves out what is beyond topP", () => {
    expect(draw(logits, 1, 0.6)).toEqual([0, 0, 1, 0]); // 5/8 is enough
    const shares = draw(logits, 1, 0.7); // 5/8 + 2/8 of 7/8
    expect(shares[0]).toBe(0);
    expect(Math.abs(shares[2]! - 5 / 7)).toBeLessThan(0.025);
  });

  it("refuses logits that are not numbers", () => {
    expect(() => sampleToken([0, NaN], { temperature: 0, topP: 1 }, new Rng(0))).toThrow(
      "Token 1 got the logit NaN. Check the checkpoint for NaN or infinite weights.",
    );
  });
});

describe("generate", () => {
  let model: CausalLM;
  beforeAll(async () => {
    await activateCpuBackend();
    const { source, config } = tinyLlama({ seed: 2 });
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config));
  });
  afterAll(() => model.dispose());

  it("ends where it is told to, and says so", async () => {
    const all = await generate(model, [5, 6], { maxTokens: 6, eosTokenIds: [] });
    const { ids, stopReason } = await generate(model, [5, 6], {
      maxTokens: 6,
      eosTokenIds: [],
      isDone: (written) => written.length === 3,
    });
    expect(ids).toEqual(all.ids.slice(0, 3));
    expect([all.stopReason, stopReason]).toEqual(["length", "done"]);
  });

  it("gives what running the whole text anew for each token gives", async () => {
    const prompt = [0, 74, 103];
    const { ids } = await generate(model, prompt, { maxTokens: 12, eosTokenIds: [] });
    const text = [...prompt];
    for (const id of ids) {
      const hidden = await forwardHidden(model, Int32Array.from(text), 1);
      const logits = await headLogits(model.head, hidden);
      const argMax = tf.argMax(logits, 1);
      expect((await argMax.data()).at(-1)).toBe(id);
      text.push(id);
      tf.dispose([hidden, logits, argMax]);
    }
    expect(ids).toHaveLength(12);
  });

  it("repeats itself under a seed and not under another", async () => {
    const sample = async (seed: number): Promise<number[]> =>
      (await generate(model, [0], { maxTokens: 16, temperature: 1, topP: 0.95, seed, eosTokenIds: [] })).ids;
    expect(await sample(7)).toEqual(await sample(7));
    expect(await sample(7)).not.toEqual(await sample(8));
  });

  it("ends with an EOS token", async () => {
    const { ids } = await generate(model, [0], { maxTokens: 5, eosTokenIds: [] });
    const seen: number[] = [];
    const ended = await generate(model, [0], {
      maxTokens: 5,
      eosTokenIds: [ids[2]!],
      onToken: (id) => seen.push(id),
    });
    const end = ids.indexOf(ids[2]!);
    expect(ended).toEqual({ ids: ids.slice(0, end + 1), stopReason: "eos" });
    expect(seen).toEqual(ended.ids);
  });

  it("stops when no position is left", async () => {
    const { ids, stopReason } = await generate(model, new Int32Array(126), {
      maxTokens: 10,
      eosTokenIds: [],
    });
    expect(stopReason).toBe("context");
    expect(ids).toHaveLength(3); // after position 125, 126 and 127
  });

  it("leaves no tensor behind, also when it fails", async () => {
    const before = tf.memory().numTensors;
    await generate(model, [0, 5], { maxTokens: 3 });
    const failing = generate(model, [0, 5], {
      maxTokens: 3,
      onToken: () => {
        throw new Error("stop");
      },
    });
    await expect(failing).rejects.toThrow("stop");
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    [
      [],
      { maxTokens: 1 },
      "generate: prompt: expected at least one token, got none. Start with the model's BOS token.",
    ],
    [[0], { maxTokens: -1 }, "generate: maxTokens: expected a whole number from 0, got -1."],
    [[0], { maxTokens: 1, temperature: NaN }, "generate: temperature: expected a number from 0, got NaN."],
    [[0], { maxTokens: 1, topP: 0 }, "generate: topP: expected a number in (0, 1], got 0."],
  ])("rejects %j, %j", async (prompt, options, message) => {
    await expect(generate(model, prompt, options)).rejects.toThrow(message);
  });
});

describe("KeyValueCache", () => {
  it("refuses to go on after a pass that broke off between two layers", () => {
    const cache = new KeyValueCache(2);
    const kv = tf.zeros<tf.Rank.R4>([1, 1, 2, 4]);
    cache.append(0, kv, kv); // layer 1 never came
    cache.append(0, kv, kv);
    expect(() => cache.append(1, kv, kv)).toThrow(
      "KeyValueCache: layer 1 is out of step with layer 0. Start with a new cache.",
    );
    expect(cache.length).toBe(0);
    cache.dispose();
    kv.dispose();
  });
});

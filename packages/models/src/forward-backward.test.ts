import { languageModelLoss, tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { collectGradients, relativeError } from "../test/collect-gradients.js";
import { referenceLoss } from "../test/reference-llama.js";
import type { CausalLM } from "./causal-lm.js";
import { forwardBackward, type LossFunction } from "./forward-backward.js";
import { forwardHidden } from "./forward.js";
import { llamaFamily } from "./llama/family.js";

const crossEntropy: LossFunction<Awaited<ReturnType<typeof languageModelLoss>>> = (input) =>
  languageModelLoss({ ...input, loss: { kind: "cross-entropy" } });

describe("forwardBackward", () => {
  const models: CausalLM[] = [];
  const load = async (tiny: ReturnType<typeof tinyLlama>, residency?: "streamed"): Promise<CausalLM> => {
    const model = await llamaFamily.load(
      tiny.source,
      llamaFamily.parseConfig(tiny.config),
      residency && { residency },
    );
    models.push(model);
    return model;
  };

  beforeAll(activateCpuBackend);
  afterEach(() => models.splice(0).forEach((model) => model.dispose()));

  const llama3 = {
    rope_type: "llama3",
    factor: 4,
    low_freq_factor: 1,
    high_freq_factor: 2,
    original_max_position_embeddings: 32,
  };
  it.each([
    ["with tied embeddings and llama3 positions", { tied: true, config: { rope_scaling: llama3 } }],
    [
      "with biases, an LM head and partial rotation",
      { tied: false, biases: true, config: { partial_rotary_factor: 0.5 } },
    ],
  ])("agrees with finite differences of a float64 model for every parameter, %s", async (_, options) => {
    const tiny = tinyLlama({ seed: 3, numLayers: 1, intermediateSize: 6, vocabSize: 11, ...options });
    const model = await load(tiny);
    const parsed = llamaFamily.parseConfig(tiny.config);
    const ids = Int32Array.of(4, 1, 7, 7, 2, 10, 0, 3, 9, 4); // two sequences of five
    const { loss, weights } = await collectGradients(model, ids, 2);

    const values = new Map(model.parameterNames.map((name) => [name, Float64Array.from(tiny.values(name))]));
    expect(loss).toBeCloseTo(referenceLoss(parsed, values, ids, 2), 5);
    expect([...weights.keys()].sort()).toEqual([...model.parameterNames].sort());
    const step = 1e-4;
    for (const [name, parameter] of values) {
      const slope = parameter.map((value, i) => {
        parameter[i] = value + step;
        const above = referenceLoss(parsed, values, ids, 2);
        parameter[i] = value - step;
        const below = referenceLoss(parsed, values, ids, 2);
        parameter[i] = value;
        return (above - below) / (2 * step);
      });
      expect(relativeError(weights.get(name)!, slope), name).toBeLessThan(1e-4);
    }
  });

  it("gives the same bits whether blocks are kept or recomputed, resident or streamed", async () => {
    const tiny = tinyLlama({ seed: 5 });
    const resident = await load(tiny);
    const streamed = await load(tiny, "streamed");
    const ids = Int32Array.of(5, 80, 200, 3, 17, 17);
    const expected = await collectGradients(resident, ids, 1);
    for (const [model, recompute] of [
      [resident, true],
      [streamed, false],
      [streamed, true],
    ] as const) {
      const actual = await collectGradients(model, ids, 1, { recompute });
      expect(actual.loss).toBe(expected.loss);
      expect(actual.input).toEqual(expected.input);
      expect(actual.weights).toEqual(expected.weights);
    }
  });

  it("shows MLPs the same gradients where nothing below the first one is wanted", async () => {
    const model = await load(tinyLlama({ seed: 5 }));
    const ids = Int32Array.of(5, 80, 200, 3, 17, 17);
    const gradients = async (more: Partial<Parameters<typeof forwardBackward>[1]>) => {
      const seen: number[][] = [];
      const before = tf.memory().numTensors;
      await forwardBackward(model, {
        ids,
        batch: 1,
        lossFn: crossEntropy,
        observer: { mlp: ({ gateGrad }) => void seen.push([...gateGrad!.dataSync()]) },
        ...more,
      });
      return { seen, leaked: tf.memory().numTensors - before };
    };
    await gradients({}); // loads the weights
    const expected = await gradients({ onInputGradient: () => undefined });
    expect(expected.seen).toHaveLength(model.config.numLayers);
    for (const recompute of [false, true]) {
      expect(await gradients({ recompute })).toEqual({ ...expected, leaked: 0 });
    }
  });

  it("shows weight gradients from the head down, one at a time, and only those wanted", async () => {
    const model = await load(tinyLlama({ tied: false }));
    const ids = Int32Array.of(5, 80, 200, 3);
    const { order } = await collectGradients(model, ids, 1);
    expect(order.slice(0, 3)).toEqual([
      "lm_head.weight",
      "model.norm.weight",
      "model.layers.1.mlp.gate_proj.weight",
    ]);
    expect(order.slice(-2)).toEqual(["model.layers.0.input_layernorm.weight", "model.embed_tokens.weight"]);
    expect(new Set(order).size).toBe(order.length);

    const seen: string[] = [];
    const alive: boolean[] = [];
    let previous: tf.Tensor | undefined;
    await forwardBackward(model, {
      ids,
      batch: 1,
      lossFn: crossEntropy,
      observer: {
        wantsWeight: (name) => name.includes("q_proj"),
        weight: (name, gradient) => {
          seen.push(name);
          if (previous) alive.push(!previous.isDisposed);
          previous = gradient;
        },
      },
    });
    expect(seen).toEqual([1, 0].map((layer) => `model.layers.${layer}.self_attn.q_proj.weight`));
    expect(alive).toEqual([false]);
  });

  it("shows every MLP forwards and backwards with the gradients that belong to it", async () => {
    const model = await load(tinyLlama());
    const forwards: number[] = [];
    const backwards: number[] = [];
    await forwardBackward(model, {
      ids: Int32Array.of(5, 80, 200, 3),
      batch: 1,
      lossFn: crossEntropy,
      forwardObserver: {
        mlp: ({ layer, outputGrad }) => void (outputGrad === undefined && forwards.push(layer)),
      },
      observer: {
        mlp: ({ layer, weights, activation, activationGrad, outputGrad }) => {
          backwards.push(layer);
          const expected = tf.matMul(outputGrad!, weights.down); // [4, 16] [16, 24]
          expect(relativeError(activationGrad!.dataSync(), expected.dataSync())).toBeLessThan(1e-6);
          expect(activation.shape).toEqual([4, 24]);
          expected.dispose();
        },
      },
    });
    expect(forwards).toEqual([0, 1]);
    expect(backwards).toEqual([1, 0]);
  });

  it.each(["resident", "streamed"] as const)("leaves no tensor behind, %s", async (residency) => {
    const { source, config } = tinyLlama();
    const parsed = llamaFamily.parseConfig(config);
    const empty = tf.memory().numTensors;
    const model = await llamaFamily.load(source, parsed, { residency });
    const ids = Int32Array.of(5, 80, 200, 3);
    await collectGradients(model, ids, 2);
    const warm = tf.memory().numTensors;
    for (const recompute of [false, true]) await collectGradients(model, ids, 2, { recompute });
    (await forwardHidden(model, ids, 2, { observer: { mlp: () => {} } })).dispose();
    expect(tf.memory().numTensors).toBe(warm);
    if (residency === "streamed") expect(warm).toBe(empty + 1); // the final norm
    model.dispose();
    expect(tf.memory().numTensors).toBe(empty);
  });

  it.each([
    ["the loss", { lossFn: () => Promise.reject(new Error("stop")) }],
    ["an MLP's observer", { observer: { mlp: () => fail() } }],
    [
      "a weight's observer",
      { observer: { wantsWeight: (n: string) => n.includes("0.mlp.up_proj"), weight: () => fail() } },
    ],
    [
      "the forward observer",
      { forwardObserver: { mlp: ({ layer }: { layer: number }) => void (layer === 1 && fail()) } },
    ],
  ])("frees everything when %s fails", async (_, failing) => {
    for (const recompute of [false, true]) {
      const model = await load(tinyLlama());
      const ids = Int32Array.of(5, 80, 200, 3);
      await forwardBackward(model, { ids, batch: 1, lossFn: crossEntropy });
      const before = tf.memory().numTensors;
      const request = { ids, batch: 1, lossFn: crossEntropy, recompute, ...failing };
      await expect(forwardBackward(model, request)).rejects.toThrow("stop");
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it("stops between two blocks when it is interrupted", async () => {
    const model = await load(tinyLlama());
    const controller = new AbortController();
    const seen: number[] = [];
    const pass = forwardHidden(model, Int32Array.of(5, 6), 1, {
      signal: controller.signal,
      observer: {
        mlp: ({ layer }) => {
          seen.push(layer);
          controller.abort();
        },
      },
    });
    await expect(pass).rejects.toThrow("Interrupted.");
    expect(seen).toEqual([0]);
  });

  it("takes ids that fit the model, and says what is wrong with others", async () => {
    const model = await load(tinyLlama());
    await expect(forwardHidden(model, Int32Array.of(5, 300), 1)).rejects.toThrow(
      "embed: expected token ids from 0 to 257 (vocab_size), got 300 at position 1. Is it the tokenizer of this model?",
    );
    await expect(forwardHidden(model, new Int32Array(3), 2)).rejects.toThrow(
      "sequence: expected at least one sequence of at least one token, got 2 of 1.5.",
    );
    await expect(forwardHidden(model, new Int32Array(129), 1)).rejects.toThrow(
      "sequence: expected positions from 0 to 127 (max_position_embeddings), got 128. Use a shorter sequence.",
    );
  });
});

function fail(): never {
  throw new Error("stop");
}

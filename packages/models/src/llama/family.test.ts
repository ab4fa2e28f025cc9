import { Host } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { describe, expect, it } from "vitest";
import { checkTensors } from "../check-tensors.js";
import { modelFamily } from "../model-family.js";
import { modelsPlugin } from "../models-plugin.js";
import type { WeightSource } from "../weight-source.js";
import { llamaFamily } from "./family.js";
import { llamaTensorName, parseLlamaTensorName } from "./weights.js";

const { models } = new Host().use(modelsPlugin).registries;

describe("modelFamily", () => {
  it("finds the family by model_type", async () => {
    expect(await modelFamily(models, tinyLlama().config)).toBe(llamaFamily);
  });

  it("says what is supported when a model_type is not", async () => {
    await expect(modelFamily(models, { model_type: "mamba" }, "x/config.json")).rejects.toThrow(
      'x/config.json: model_type "mamba" is not supported. Supported: llama. A plugin can add it.',
    );
    await expect(modelFamily(models, {})).rejects.toThrow(
      'config.json: expected "model_type" to name a model family, got nothing. Supported: llama.',
    );
  });
});

describe("llamaFamily", () => {
  const count = (raw: Parameters<typeof llamaFamily.parseConfig>[0]): number =>
    llamaFamily
      .expectedTensors(llamaFamily.parseConfig(raw))
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const base = { model_type: "llama", hidden_size: 2048, rms_norm_eps: 1e-5 };

  it.each([
    [
      "Llama-3.2-1B",
      {
        ...base,
        intermediate_size: 8192,
        num_hidden_layers: 16,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        vocab_size: 128256,
        tie_word_embeddings: true,
      },
      1_235_814_400,
    ],
    [
      "Llama-3.2-3B",
      {
        ...base,
        hidden_size: 3072,
        intermediate_size: 8192,
        num_hidden_layers: 28,
        num_attention_heads: 24,
        num_key_value_heads: 8,
        vocab_size: 128256,
        tie_word_embeddings: true,
      },
      3_212_749_824,
    ],
    [
      "TinyLlama-1.1B",
      {
        ...base,
        intermediate_size: 5632,
        num_hidden_layers: 22,
        num_attention_heads: 32,
        num_key_value_heads: 4,
        vocab_size: 32000,
      },
      1_100_048_384,
    ],
    [
      "Sheared-LLaMA-1.3B",
      { ...base, intermediate_size: 5504, num_hidden_layers: 24, num_attention_heads: 16, vocab_size: 32000 },
      1_345_423_360,
    ],
    [
      "SmolLM2-135M",
      {
        ...base,
        hidden_size: 576,
        intermediate_size: 1536,
        num_hidden_layers: 30,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        vocab_size: 49152,
        tie_word_embeddings: true,
      },
      134_515_008,
    ],
  ])("expects the published number of parameters of %s", (_, raw, parameters) => {
    expect(count(raw)).toBe(parameters);
  });

  it("couples row j of gate and up with column j of down", () => {
    const config = llamaFamily.parseConfig(tinyLlama({ numLayers: 2, intermediateSize: 24 }).config);
    expect(llamaFamily.prunableGroups(config)[1]).toEqual({
      layer: 1,
      intermediateSize: 24,
      members: [
        { tensor: "model.layers.1.mlp.gate_proj.weight", axis: 0 },
        { tensor: "model.layers.1.mlp.up_proj.weight", axis: 0 },
        { tensor: "model.layers.1.mlp.down_proj.weight", axis: 1 },
      ],
      configKey: "intermediate_size",
    });
  });

  it("takes the biases of gate and up along, and leaves that of down", () => {
    const config = llamaFamily.parseConfig(tinyLlama({ biases: true }).config);
    expect(llamaFamily.prunableGroups(config)[0]!.members.slice(3)).toEqual([
      { tensor: "model.layers.0.mlp.gate_proj.bias", axis: 0 },
      { tensor: "model.layers.0.mlp.up_proj.bias", axis: 0 },
    ]);
  });

  it("names tensors as Hugging Face does, both ways", () => {
    const config = llamaFamily.parseConfig(tinyLlama({ biases: true, tied: false }).config);
    for (const { name } of llamaFamily.expectedTensors(config)) {
      expect(llamaTensorName(parseLlamaTensorName(name)!)).toBe(name);
    }
    expect(parseLlamaTensorName("model.layers.11.self_attn.k_proj.weight")).toEqual({
      layer: 11,
      part: "self_attn.k_proj.weight",
    });
    expect(parseLlamaTensorName("model.layers.01.mlp.up_proj.weight")).toBeUndefined();
    expect(parseLlamaTensorName("model.layers.0.mlp.router.weight")).toBeUndefined();
  });

  it("passes over the rotary tables of old checkpoints", () => {
    expect(llamaFamily.isIgnored("model.layers.3.self_attn.rotary_emb.inv_freq")).toBe(true);
    expect(llamaFamily.isIgnored("model.layers.3.self_attn.q_proj.weight")).toBe(false);
  });
});

describe("checkTensors", () => {
  const { source, config } = tinyLlama();
  const expected = llamaFamily.expectedTensors(llamaFamily.parseConfig(config));
  const changed = (change: Partial<WeightSource>): WeightSource => ({ ...source, ...change });

  it("accepts a checkpoint that holds more than is expected", () => {
    expect(() => checkTensors(source, expected.slice(1))).not.toThrow();
  });

  it("lists the first missing tensors and counts the rest", () => {
    expect(() => checkTensors(changed({ tensorNames: () => [] }), expected)).toThrow(
      'Checkpoint: its tensors do not fit config.json: "model.embed_tokens.weight" is missing; "model.layers.0.input_layernorm.weight" is missing; "model.layers.0.self_attn.q_proj.weight" is missing; and 17 more. Is it the config of this checkpoint?',
    );
  });

  it("shows both shapes where they differ, and a type that is no float", () => {
    const info = (name: string): ReturnType<WeightSource["info"]> =>
      name === "model.norm.weight"
        ? { dtype: "F32", shape: [32] }
        : { ...source.info(name), dtype: name === "model.embed_tokens.weight" ? "I8" : "F32" };
    expect(() => checkTensors(changed({ info }), expected)).toThrow(
      '"model.embed_tokens.weight" must be one of F64, F32, F16, BF16, got I8; "model.norm.weight" must have shape [16], got [32].',
    );
  });
});

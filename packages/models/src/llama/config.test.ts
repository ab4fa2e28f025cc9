import { tinyLlama } from "@sdmprune/test-utils";
import { describe, expect, it } from "vitest";
import { parseLlamaConfig, setLlamaWidth } from "./config.js";

/** Llama-3.2-1B, as published for transformers 4. */
const llama32 = {
  architectures: ["LlamaForCausalLM"],
  bos_token_id: 128000,
  eos_token_id: [128001, 128008, 128009],
  head_dim: 64,
  hidden_act: "silu",
  hidden_size: 2048,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  model_type: "llama",
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    factor: 32,
    high_freq_factor: 4,
    low_freq_factor: 1,
    original_max_position_embeddings: 8192,
    rope_type: "llama3",
  },
  rope_theta: 500000,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  vocab_size: 128256,
};

describe("parseLlamaConfig", () => {
  it("reads the config of Llama-3.2-1B", () => {
    expect(parseLlamaConfig(llama32)).toEqual({
      modelType: "llama",
      numLayers: 16,
      hiddenSize: 2048,
      vocabSize: 128256,
      intermediateSizes: new Array(16).fill(8192),
      maxPositionEmbeddings: 131072,
      tieWordEmbeddings: true,
      bosTokenId: 128000,
      eosTokenIds: [128001, 128008, 128009],
      numAttentionHeads: 32,
      numKeyValueHeads: 8,
      headDim: 64,
      rmsNormEps: 1e-5,
      hiddenAct: "silu",
      attentionBias: false,
      mlpBias: false,
      rotary: {
        theta: 500000,
        partialFactor: 1,
        scaling: {
          type: "llama3",
          factor: 32,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalMaxPositionEmbeddings: 8192,
        },
      },
    });
  });

  it("reads the form of transformers 5 to the same config", () => {
    const { rope_scaling, rope_theta, torch_dtype, ...rest } = llama32;
    const newForm = { ...rest, rope_parameters: { ...rope_scaling, rope_theta }, dtype: torch_dtype };
    expect(parseLlamaConfig(newForm)).toEqual(parseLlamaConfig(llama32));
  });

  it("fills in what old configs leave out: Sheared-LLaMA has no head_dim, rope_theta or key-value heads", () => {
    const config = parseLlamaConfig({
      model_type: "llama",
      hidden_size: 2048,
      intermediate_size: 5504,
      num_attention_heads: 16,
      num_hidden_layers: 24,
      rms_norm_eps: 1e-5,
      vocab_size: 32000,
      pad_token_id: 0,
      rope_scaling: null,
    });
    expect(config).toMatchObject({
      headDim: 128,
      numKeyValueHeads: 16,
      tieWordEmbeddings: false,
      eosTokenIds: [],
    });
    expect(config.rotary).toEqual({ theta: 10000, partialFactor: 1, scaling: undefined });
  });

  it("reads widths that differ per layer", () => {
    const config = parseLlamaConfig({
      ...tinyLlama().config,
      per_layer_config: { "1": { intermediate_size: 7 } },
    });
    expect(config.intermediateSizes).toEqual([24, 7]);
  });

  it.each([
    [
      { hidden_act: "relu2" },
      'hidden_act "relu2" is not supported. Supported: silu, swish, gelu, gelu_pytorch_tanh, relu.',
    ],
    [{ num_key_value_heads: 3 }, "num_key_value_heads (3) must divide num_attention_heads (4)."],
    [
      { head_dim: null, num_attention_heads: 6 },
      "num_attention_heads (6) must divide hidden_size (16) when head_dim is absent.",
    ],
    [
      { rope_interleaved: true },
      "rope_interleaved: expected false, got true; only half-split rotation is supported.",
    ],
    [
      { rope_scaling: { type: "yarn", factor: 4 } },
      'rope_scaling: rope_type "yarn" is not supported. Supported: default, linear, llama3.',
    ],
    [
      { rope_parameters: { rope_type: "llama3", rope_theta: 1e4, factor: 8 } },
      'rope_parameters: rope_type "llama3" needs "low_freq_factor".',
    ],
    [
      { quantization_config: { quant_method: "gptq", bits: 4 } },
      "quantization_config: expected unquantised weights, got gptq. Start from the F32, F16 or BF16 checkpoint.",
    ],
    [
      { per_layer_config: { "0": { skip: ["mlp"] } } },
      'per_layer_config["0"]: expected an intermediate_size of a layer below 2, got {"skip":["mlp"]}.',
    ],
    [
      { head_dim: 6, partial_rotary_factor: 0.5 },
      "expected an even number of rotated dimensions, got 3 (head_dim 6, partial_rotary_factor 0.5).",
    ],
    [{ vocab_size: 0 }, '"vocab_size": expected at least 1, got 0.'],
    [{ num_hidden_layers: 2e9 }, '"num_hidden_layers": expected at most 10000, got 2000000000.'],
    [{ intermediate_size: [24, 24] }, '"intermediate_size": expected number, got a list of 2.'],
  ])("rejects %j", (change, message) => {
    expect(() => parseLlamaConfig({ ...tinyLlama().config, ...change }, "model/config.json")).toThrow(
      `model/config.json: ${message}`,
    );
  });

  it("lists every missing key at once", () => {
    expect(() => parseLlamaConfig({ model_type: "llama" })).toThrow(
      /"vocab_size".*"hidden_size".*"num_attention_heads"/,
    );
  });
});

describe("setLlamaWidth", () => {
  it("changes the one key of the width where all layers have it", () => {
    expect(setLlamaWidth(llama32, 6144)).toEqual({ intermediate_size: 6144 });
    expect(setLlamaWidth(llama32, [6144, 6144])).toEqual({ intermediate_size: 6144 });
  });

  it("lists the narrower layers where widths differ, so that reading gives them back", () => {
    const raw = tinyLlama({ numLayers: 3 }).config;
    const edits = setLlamaWidth(raw, [8, 16, 12]);
    expect(edits).toEqual({
      intermediate_size: 16,
      per_layer_config: { "0": { intermediate_size: 8 }, "2": { intermediate_size: 12 } },
    });
    expect(parseLlamaConfig({ ...raw, ...edits }).intermediateSizes).toEqual([8, 16, 12]);
    const again = { ...raw, ...edits, ...setLlamaWidth({ ...raw, ...edits }, 4) };
    expect(parseLlamaConfig(again).intermediateSizes).toEqual([4, 4, 4]);
  });
});

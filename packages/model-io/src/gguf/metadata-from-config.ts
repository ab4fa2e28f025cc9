import { ConfigError } from "@sdmprune/core";
import { describeJson, isJsonObject, type JsonObject } from "../json-object.js";
import type { LlamaLayout } from "./config-from-gguf.js";
import type { GgufValue } from "./gguf-metadata.js";
import { type Llama3RopeScaling, llama3RopeFactors } from "./rope-factors.js";

/** What a GGUF file says of a Llama besides its tokenizer. */
export interface LlamaMetadata {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly layout: LlamaLayout;
  /** Contents of `rope_freqs.weight`, where the rotary scaling is llama3's. */
  readonly ropeFactors: Float32Array | undefined;
  readonly numLayers: number;
  readonly vocabSize: number;
}

const uint32 = (value: number): GgufValue => ({ type: "UINT32", value });
const float32 = (value: number): GgufValue => ({ type: "FLOAT32", value });
const string = (value: string): GgufValue => ({ type: "STRING", value });

/**
 * Metadata of the llama architecture from a `config.json`, in the form of transformers 4 or 5.
 *
 * @param where - Name of the file for errors.
 * @throws {ConfigError} If the config is of another family, or asks for something that the architecture does not have.
 */
export function metadataFromConfig(config: Readonly<JsonObject>, where: string): LlamaMetadata {
  const fail = (problem: string): never => {
    throw new ConfigError(`${where}: ${problem}`);
  };
  const integer = (key: string, missing?: number): number => {
    const value = config[key] ?? missing;
    if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
    return fail(`${key}: expected a positive integer, got ${describeJson(config[key])}.`);
  };
  if (config.model_type !== "llama") {
    fail(
      `model_type: expected "llama", the one that can be exported, got ${describeJson(config.model_type)}.`,
    );
  }
  const act = config.hidden_act ?? "silu";
  if (act !== "silu" && act !== "swish")
    fail(`hidden_act: expected "silu", the only one of the GGUF architecture, got ${describeJson(act)}.`);
  const perLayer = config.per_layer_config ?? {};
  if (!isJsonObject(perLayer) || Object.keys(perLayer).length > 0) {
    fail(
      "per_layer_config: expected layers of one width, as llama.cpp has one feed_forward_length. Prune with a uniform allocation.",
    );
  }
  if (config.rope_interleaved === true) fail("rope_interleaved: expected false, got true.");
  const hiddenSize = integer("hidden_size");
  const numHeads = integer("num_attention_heads");
  const layout = {
    numHeads,
    numKeyValueHeads: integer("num_key_value_heads", numHeads),
    headDim: integer("head_dim", hiddenSize / numHeads),
  };
  if (layout.headDim % 2 !== 0) fail(`head_dim: expected an even number, got ${layout.headDim}.`);
  const rope = ropeParameters(config, where);
  const numLayers = integer("num_hidden_layers");
  const vocabSize = integer("vocab_size");
  const epsilon = config.rms_norm_eps ?? 1e-6;
  if (typeof epsilon !== "number") fail(`rms_norm_eps: expected a number, got ${describeJson(epsilon)}.`);
  const metadata = new Map<string, GgufValue>([
    ["llama.block_count", uint32(numLayers)],
    ["llama.context_length", uint32(integer("max_position_embeddings", 2048))],
    ["llama.embedding_length", uint32(hiddenSize)],
    ["llama.feed_forward_length", uint32(integer("intermediate_size"))],
    ["llama.attention.head_count", uint32(numHeads)],
    ["llama.attention.head_count_kv", uint32(layout.numKeyValueHeads)],
    ["llama.attention.layer_norm_rms_epsilon", float32(epsilon as number)],
    ["llama.attention.key_length", uint32(layout.headDim)],
    ["llama.attention.value_length", uint32(layout.headDim)],
    ["llama.rope.dimension_count", uint32(layout.headDim)],
    ["llama.rope.freq_base", float32(rope.theta)],
    ["llama.vocab_size", uint32(vocabSize)],
  ]);
  if (rope.linearFactor !== undefined) {
    metadata
      .set("llama.rope.scaling.type", string("linear"))
      .set("llama.rope.scaling.factor", float32(rope.linearFactor));
  }
  const ropeFactors = rope.llama3 && llama3RopeFactors(rope.llama3, rope.theta, layout.headDim);
  return { metadata, layout, ropeFactors, numLayers, vocabSize };
}

interface Rope {
  readonly theta: number;
  readonly linearFactor?: number;
  readonly llama3?: Llama3RopeScaling;
}

/** Rotary settings, from `rope_theta` and `rope_scaling` or from `rope_parameters` of transformers 5. */
function ropeParameters(config: Readonly<JsonObject>, where: string): Rope {
  const key = (config.rope_parameters ?? null) === null ? "rope_scaling" : "rope_parameters";
  const parameters = config[key] ?? {};
  if (!isJsonObject(parameters))
    throw new ConfigError(`${where}: ${key}: expected an object, got ${describeJson(parameters)}.`);
  const number = (name: string, value: unknown): number => {
    if (typeof value === "number" && value > 0) return value;
    throw new ConfigError(
      `${where}: ${key}: expected "${name}" to be a number above 0, got ${describeJson(value)}.`,
    );
  };
  const theta = number("rope_theta", parameters.rope_theta ?? config.rope_theta ?? 10000);
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  if (partial !== 1) {
    throw new ConfigError(`${where}: partial_rotary_factor: expected 1, got ${describeJson(partial)}.`);
  }
  const type = parameters.rope_type ?? parameters.type ?? "default";
  switch (type) {
    case "default":
      return { theta };
    case "linear":
      return { theta, linearFactor: number("factor", parameters.factor) };
    case "llama3":
      return {
        theta,
        llama3: {
          factor: number("factor", parameters.factor),
          low_freq_factor: number("low_freq_factor", parameters.low_freq_factor),
          high_freq_factor: number("high_freq_factor", parameters.high_freq_factor),
          original_max_position_embeddings: number(
            "original_max_position_embeddings",
            parameters.original_max_position_embeddings,
          ),
        },
      };
    default:
      throw new ConfigError(
        `${where}: ${key}: expected rope_type default, linear or llama3, got ${describeJson(type)}.`,
      );
  }
}

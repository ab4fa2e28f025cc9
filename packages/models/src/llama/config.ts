import { ConfigError, parseOptions } from "@sdmprune/core";
import type { GatedActivationName, RotaryScaling } from "@sdmprune/tensor";
import { z } from "zod";
import type { CausalLMConfig } from "../causal-lm-config.js";
import type { RawConfig } from "../model-family.js";
import { parseRotary, ropeKeys } from "./rotary-config.js";

/** Config of a `LlamaForCausalLM`. */
export interface LlamaConfig extends CausalLMConfig {
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly rmsNormEps: number;
  /** Whether q_proj, k_proj, v_proj and o_proj have a bias. */
  readonly attentionBias: boolean;
  /** Whether gate_proj, up_proj and down_proj have a bias. */
  readonly mlpBias: boolean;
  readonly rotary: RotaryConfig;
}

export interface RotaryConfig {
  readonly theta: number;
  readonly scaling?: RotaryScaling;
  /** Part of each head's dimensions that is rotated, in (0, 1]. */
  readonly partialFactor: number;
}

const ACTIVATIONS = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_pytorch_tanh: "gelu_pytorch_tanh",
  relu: "relu",
} as const satisfies Record<string, GatedActivationName>;

/** `null` in config.json means the same as an absent key. */
const absent = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => (value === null ? undefined : value));
const size = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
const tokenId = z.int().min(0);
/** Far above any model; a flipped digit must not make a loop of it. */
const MAX_LAYERS = 10_000;

const schema = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(MAX_LAYERS),
  num_attention_heads: size,
  num_key_value_heads: absent(size),
  head_dim: absent(size),
  hidden_act: z.string().default("silu"),
  max_position_embeddings: size.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  bos_token_id: absent(tokenId),
  eos_token_id: absent(z.union([tokenId, z.array(tokenId)])),
  per_layer_config: absent(
    z.record(z.string().regex(/^\d+$/), z.looseObject({ intermediate_size: absent(size) })),
  ),
  quantization_config: absent(z.looseObject({ quant_method: z.string().optional() })),
  ...ropeKeys,
});

/**
 * Reads the config.json of a Llama, in the form of transformers 4 or 5.
 *
 * @param where - File name for errors.
 * @throws {ConfigError} If a key is missing or malformed, or asks for something that is not supported.
 */
export function parseLlamaConfig(raw: RawConfig, where = "config.json"): LlamaConfig {
  const config = parseOptions(where, schema, raw);
  const { hidden_size: hiddenSize, num_attention_heads: numAttentionHeads } = config;
  const numKeyValueHeads = config.num_key_value_heads ?? numAttentionHeads;
  const fail = (problem: string): never => {
    throw new ConfigError(`${where}: ${problem}`);
  };
  if (config.quantization_config) {
    const method = config.quantization_config.quant_method ?? "unknown method";
    fail(
      `quantization_config: expected unquantised weights, got ${method}. Start from the F32, F16 or BF16 checkpoint.`,
    );
  }
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    fail(`num_key_value_heads (${numKeyValueHeads}) must divide num_attention_heads (${numAttentionHeads}).`);
  }
  if (config.head_dim === undefined && hiddenSize % numAttentionHeads !== 0) {
    fail(
      `num_attention_heads (${numAttentionHeads}) must divide hidden_size (${hiddenSize}) when head_dim is absent.`,
    );
  }
  const headDim = config.head_dim ?? hiddenSize / numAttentionHeads;
  const hiddenAct = (ACTIVATIONS as Record<string, GatedActivationName | undefined>)[config.hidden_act];
  const eos = config.eos_token_id ?? [];
  return {
    modelType: "llama",
    numLayers: config.num_hidden_layers,
    hiddenSize,
    vocabSize: config.vocab_size,
    intermediateSizes: widthsOf(config, where),
    maxPositionEmbeddings: config.max_position_embeddings,
    tieWordEmbeddings: config.tie_word_embeddings,
    bosTokenId: config.bos_token_id,
    eosTokenIds: typeof eos === "number" ? [eos] : eos,
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    rmsNormEps: config.rms_norm_eps,
    hiddenAct:
      hiddenAct ??
      fail(
        `hidden_act "${config.hidden_act}" is not supported. Supported: ${Object.keys(ACTIVATIONS).join(", ")}.`,
      ),
    attentionBias: config.attention_bias,
    mlpBias: config.mlp_bias,
    rotary: parseRotary(config, headDim, where),
  };
}

/** `intermediate_size` of every layer, with the exceptions that `per_layer_config` lists. */
function widthsOf(config: z.output<typeof schema>, where: string): number[] {
  const widths = new Array<number>(config.num_hidden_layers).fill(config.intermediate_size);
  for (const [layer, overrides] of Object.entries(config.per_layer_config ?? {})) {
    const other = Object.keys(overrides).filter((key) => key !== "intermediate_size");
    if (other.length > 0 || Number(layer) >= widths.length) {
      throw new ConfigError(
        `${where}: per_layer_config["${layer}"]: expected an intermediate_size of a layer below ${widths.length}, got ${JSON.stringify(overrides)}.`,
      );
    }
    if (overrides.intermediate_size !== undefined) widths[Number(layer)] = overrides.intermediate_size;
  }
  return widths;
}

/**
 * The keys of config.json that change with the widths: `intermediate_size`, and where layers differ
 * `per_layer_config` for the layers that are not as wide as the widest (transformers 5.15 and later).
 */
export function setLlamaWidth(raw: RawConfig, width: number | readonly number[]): Record<string, unknown> {
  const widths = typeof width === "number" ? [width] : width;
  const widest = Math.max(...widths);
  const perLayer = Object.fromEntries(
    widths.flatMap((w, layer) => (w === widest ? [] : [[String(layer), { intermediate_size: w }]])),
  );
  const isUniform = Object.keys(perLayer).length === 0;
  if (isUniform && raw["per_layer_config"] === undefined) return { intermediate_size: widest };
  return { intermediate_size: widest, per_layer_config: isUniform ? null : perLayer };
}

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NotFoundError, Rng } from "@sdmprune/core";
import { fromFloat32, serializeSafetensors, type FloatDType } from "@sdmprune/model-io";
import { llamaFamily, type RawConfig, type WeightInfo, type WeightSource } from "@sdmprune/models/families";
import { BYTE_TOKENIZER, byteTokenizerFiles } from "./byte-tokenizer.js";

export interface TinyLlamaOptions {
  /** Seed of the weights; default 0. */
  readonly seed?: number;
  readonly numLayers?: number;
  /** Neurons of every MLP; default 24. */
  readonly intermediateSize?: number;
  readonly vocabSize?: number;
  /** Whether the LM head is the embedding table; default true. */
  readonly tied?: boolean;
  /** Whether all linear layers have biases; default false. */
  readonly biases?: boolean;
  /** Type in which the weights are stored; default `F32`. */
  readonly dtype?: FloatDType;
  /** Further keys of config.json, or other values for those it has. */
  readonly config?: RawConfig;
}

export interface TinyLlama {
  /** What config.json holds. */
  readonly config: RawConfig;
  /** The weights, in memory. */
  readonly source: WeightSource;
  /** Float32 values of a tensor, before they were stored. */
  values(name: string): Float32Array;
  /** Writes a checkpoint folder with a byte tokenizer. The folder is made if need be. */
  write(directory: string): Promise<void>;
}

/** Standard deviation of the weights: large enough that no gradient is lost in rounding. */
const WEIGHT_STD = 0.25;

/**
 * A Llama of a few thousand random parameters: hidden size 16, 4 heads over 2 key-value heads, 2 layers of 24
 * neurons, and the vocabulary of the byte tokenizer. The same options give the same bytes everywhere.
 */
export function tinyLlama(options: TinyLlamaOptions = {}): TinyLlama {
  const { seed = 0, dtype = "F32" } = options;
  const config = tinyConfig(options);
  const tensors = new Map(
    llamaFamily.expectedTensors(llamaFamily.parseConfig(config)).map(({ name, shape }) => {
      const rng = new Rng(seed, `tiny-llama/${name}`);
      const size = shape.reduce((a, b) => a * b, 1);
      const mean = /norm\.weight$/.test(name) ? 1 : 0;
      const values = Float32Array.from({ length: size }, () => mean + WEIGHT_STD * rng.normal());
      return [name, { shape, values }] as const;
    }),
  );
  const find = (name: string): { shape: readonly number[]; values: Float32Array } => {
    const tensor = tensors.get(name);
    if (!tensor) throw new NotFoundError(`tinyLlama: expected a tensor of the model, got "${name}".`);
    return tensor;
  };
  return {
    config,
    values: (name) => find(name).values,
    source: {
      tensorNames: () => tensors.keys(),
      info: (name): WeightInfo => ({ dtype, shape: find(name).shape }),
      read: (name, { rows } = {}) => {
        const { shape, values } = find(name);
        const rowSize = values.length / shape[0]!;
        const part = rows ? values.subarray(rows[0] * rowSize, rows[1] * rowSize) : values;
        return Promise.resolve(fromFloat32(part, dtype));
      },
    },
    async write(directory) {
      const file = await serializeSafetensors(
        [...tensors].map(([name, { shape, values }]) => ({
          name,
          dtype,
          shape,
          data: () => fromFloat32(values, dtype),
        })),
      );
      const { bosTokenId: bos_token_id, eosTokenId: eos_token_id } = BYTE_TOKENIZER;
      const files: Record<string, string | Uint8Array> = {
        "config.json": `${JSON.stringify(config, null, 2)}\n`,
        "generation_config.json": `${JSON.stringify({ bos_token_id, eos_token_id }, null, 2)}\n`,
        "model.safetensors": file,
        ...byteTokenizerFiles(),
      };
      await mkdir(directory, { recursive: true });
      for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    },
  };
}

function tinyConfig(options: TinyLlamaOptions): RawConfig {
  const { numLayers = 2, intermediateSize = 24, vocabSize = BYTE_TOKENIZER.vocabSize, tied = true } = options;
  const { biases = false, dtype = "F32" } = options;
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: biases,
    attention_dropout: 0,
    bos_token_id: BYTE_TOKENIZER.bosTokenId,
    eos_token_id: BYTE_TOKENIZER.eosTokenId,
    head_dim: 4,
    hidden_act: "silu",
    hidden_size: 16,
    initializer_range: 0.02,
    intermediate_size: intermediateSize,
    max_position_embeddings: 128,
    mlp_bias: biases,
    model_type: "llama",
    num_attention_heads: 4,
    num_hidden_layers: numLayers,
    num_key_value_heads: 2,
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 10000,
    tie_word_embeddings: tied,
    torch_dtype: { F64: "float64", F32: "float32", F16: "float16", BF16: "bfloat16" }[dtype],
    use_cache: true,
    vocab_size: vocabSize,
    ...options.config,
  };
}

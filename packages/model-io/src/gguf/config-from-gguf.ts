import { FormatError } from "@sdmprune/core";
import type { JsonObject } from "../json-object.js";
import { toFloat32 } from "../float-conversion.js";
import type { GgufFile } from "./open-gguf.js";
import { ROPE_FACTORS } from "./llama-tensor-names.js";
import { recoverLlama3Scaling } from "./rope-factors.js";

/** What a Llama's tensors are laid out by, read from a GGUF file. */
export interface LlamaLayout {
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
}

/**
 * The `config.json` of a `LlamaForCausalLM` from the metadata of a GGUF file, in the form of transformers 4, which
 * transformers 5 reads, too.
 *
 * @param torchDtype - Type the weights are to be written in.
 * @throws {FormatError} If the file is of another architecture, or has parts that a Llama of transformers does not.
 */
export async function configFromGguf(
  file: GgufFile,
  torchDtype: string,
): Promise<{ config: JsonObject; layout: LlamaLayout }> {
  const { metadata, name: where } = file;
  checkArchitecture(file);
  const integer = (key: string) => metadata.integer(`llama.${key}`);
  const needed = (key: string) => metadata.need(`llama.${key}`, integer(key));
  const hiddenSize = needed("embedding_length");
  const numHeads = needed("attention.head_count");
  const numKeyValueHeads = integer("attention.head_count_kv") ?? numHeads;
  const keyLength = integer("attention.key_length");
  const headDim = keyLength ?? hiddenSize / numHeads;
  const layout = { numHeads, numKeyValueHeads, headDim };
  checkLayout(file, layout);
  const theta = shortestFloat32(metadata.number("llama.rope.freq_base") ?? 10000);
  const config: JsonObject = {
    architectures: ["LlamaForCausalLM"],
    attention_bias: file.has("blk.0.attn_q.bias"),
    attention_dropout: 0,
    ...tokenIds(file),
    ...((keyLength !== undefined || headDim * numHeads !== hiddenSize) && { head_dim: headDim }),
    hidden_act: "silu",
    hidden_size: hiddenSize,
    initializer_range: 0.02,
    intermediate_size: needed("feed_forward_length"),
    max_position_embeddings: needed("context_length"),
    mlp_bias: file.has("blk.0.ffn_up.bias"),
    model_type: "llama",
    num_attention_heads: numHeads,
    num_hidden_layers: needed("block_count"),
    num_key_value_heads: numKeyValueHeads,
    pretraining_tp: 1,
    rms_norm_eps: shortestFloat32(
      metadata.need(
        "llama.attention.layer_norm_rms_epsilon",
        metadata.number("llama.attention.layer_norm_rms_epsilon"),
      ),
    ),
    rope_scaling: await ropeScaling(file, theta, headDim),
    rope_theta: theta,
    tie_word_embeddings: !file.has("output.weight"),
    torch_dtype: torchDtype,
    use_cache: true,
    vocab_size: file.tensor("token_embd.weight").shape[0]!,
  };
  if (file.tensor("token_embd.weight").shape.length !== 2) {
    throw new FormatError(`${where}: tensor "token_embd.weight": expected two dimensions.`);
  }
  return { config, layout };
}

/** `bos_token_id` and so on, for config.json and generation_config.json. */
export function tokenIds({ metadata }: GgufFile): { [key: string]: number } {
  const id = (role: string) => metadata.integer(`tokenizer.ggml.${role}_token_id`);
  const [bos, eos, pad] = [id("bos"), id("eos"), id("padding")];
  return {
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos !== undefined && { eos_token_id: eos }),
    ...(pad !== undefined && { pad_token_id: pad }),
  };
}

function checkArchitecture({ metadata, name }: GgufFile): void {
  const architecture = metadata.string("general.architecture");
  if (architecture !== "llama") {
    throw new FormatError(
      `${name}: general.architecture: expected "llama", got ${metadata.describe("general.architecture")}. Other architectures are not supported.`,
    );
  }
  const type = metadata.string("general.type") ?? "model";
  if (type !== "model") throw new FormatError(`${name}: general.type: expected a model, got "${type}".`);
  if ((metadata.integer("split.count") ?? 1) > 1) {
    throw new FormatError(
      `${name}: expected a whole model, got one of ${metadata.integer("split.count")} parts. Put them together with llama-gguf-split --merge.`,
    );
  }
  if ((metadata.integer("llama.expert_count") ?? 0) > 0) {
    throw new FormatError(
      `${name}: llama.expert_count: expected a dense model, got ${metadata.integer("llama.expert_count")} experts.`,
    );
  }
}

function checkLayout(
  { metadata, name }: GgufFile,
  { numHeads, numKeyValueHeads, headDim }: LlamaLayout,
): void {
  const value = metadata.integer("llama.attention.value_length") ?? headDim;
  const rotated = metadata.integer("llama.rope.dimension_count") ?? headDim;
  const problem =
    !Number.isInteger(headDim) || headDim < 2 || headDim % 2 !== 0
      ? `expected heads of an even number of dimensions, got ${headDim}`
      : numKeyValueHeads < 1 || numHeads % numKeyValueHeads !== 0
        ? `llama.attention.head_count_kv (${numKeyValueHeads}) must divide llama.attention.head_count (${numHeads})`
        : value !== headDim
          ? `llama.attention.value_length: expected ${headDim}, as the keys have, got ${value}`
          : rotated !== headDim
            ? `llama.rope.dimension_count: expected ${headDim}, all dimensions of a head, got ${rotated}`
            : undefined;
  if (problem) throw new FormatError(`${name}: ${problem}.`);
}

async function ropeScaling(file: GgufFile, theta: number, headDim: number): Promise<JsonObject | null> {
  const { metadata, name } = file;
  const type = metadata.string("llama.rope.scaling.type") ?? "none";
  const factor =
    metadata.number("llama.rope.scaling.factor") ?? metadata.number("llama.rope.scale_linear") ?? 1;
  if (file.has(ROPE_FACTORS)) {
    const info = file.tensor(ROPE_FACTORS);
    const where = `${name}: tensor "${ROPE_FACTORS}"`;
    if (info.type !== "F32") throw new FormatError(`${where}: expected type F32, got ${info.type}.`);
    const factors = toFloat32(await file.read(ROPE_FACTORS), "F32");
    const scaling = recoverLlama3Scaling(factors, theta, headDim, where);
    if (scaling) return { ...scaling, rope_type: "llama3" };
  }
  if (type !== "none" && type !== "linear") {
    throw new FormatError(
      `${name}: llama.rope.scaling.type: expected none, linear, or llama3 factors, got "${type}".`,
    );
  }
  return factor === 1 ? null : { factor: shortestFloat32(factor), rope_type: "linear" };
}

/** The shortest decimal that is the same float32: 1e-5 for 0.000009999999747378752. */
function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

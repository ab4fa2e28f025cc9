import { join } from "node:path";
import { parseArgs } from "node:util";
import { Rng, UsageError } from "@sdmprune/core";
import { fromFloat32, type JsonObject } from "@sdmprune/model-io";
import { writeCheckpoint, writeFileAtomic } from "@sdmprune/model-io/node";
import { llamaFamily } from "@sdmprune/models/families";

/**
 * Writes a checkpoint of a known shape with random BF16 weights, for measurements of time and memory that do not need
 * a model that speaks, and windows of random tokens to calibrate with:
 *
 *     npx tsx --tsconfig tsconfig.base.json --conditions=@sdmprune/source tools/generate-checkpoint.ts \
 *       llama-3.2-1b ../models/llama-3.2-1b --seqlen 1024 --windows 16
 *
 * The same seed gives the same bytes. Memory holds one tensor.
 */
const LLAMA = {
  model_type: "llama",
  architectures: ["LlamaForCausalLM"],
  hidden_act: "silu",
  dtype: "bfloat16",
};

/** `config.json` by name of the shape. */
export const SHAPES: Readonly<Record<string, JsonObject>> = {
  "smollm2-135m": {
    ...LLAMA,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    vocab_size: 49152,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
  },
  "llama-3.2-1b": {
    ...LLAMA,
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    tie_word_embeddings: true,
  },
  "llama-2-7b": {
    ...LLAMA,
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    vocab_size: 32000,
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
  },
};

/** Numbers drawn; a prime, so that no two rows of a matrix begin at the same one. */
const TABLE_SIZE = 1_048_573;

/** Standard deviation of the weights, as Llamas are initialised. */
const WEIGHT_STD = 0.02;

export interface GenerateOptions {
  readonly config: JsonObject;
  readonly seed?: number;
  /** Windows of random tokens, and tokens of each, in `input-ids.jsonl`. */
  readonly windows?: number;
  readonly seqlen?: number;
}

/** Writes the folder. Weights are read cyclically from a table of normals, so that gigabytes come at the disk's speed. */
export async function generateCheckpoint(folder: string, options: GenerateOptions): Promise<void> {
  const { config, seed = 0, windows = 4, seqlen = 1024 } = options;
  const parsed = llamaFamily.parseConfig(config);
  const rng = new Rng(seed, "weights");
  const normals = fromFloat32(
    Float32Array.from({ length: TABLE_SIZE }, () => WEIGHT_STD * rng.normal()),
    "BF16",
  );
  const tensors = llamaFamily.expectedTensors(parsed).map(({ name, shape }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const start = new Rng(seed, name).integer(TABLE_SIZE);
    const data = (): Uint8Array =>
      name.endsWith("norm.weight")
        ? fromFloat32(new Float32Array(size).fill(1), "BF16")
        : repeated(normals, start * 2, size * 2);
    return { name, shape, dtype: "BF16" as const, data };
  });
  await writeCheckpoint(folder, { config, tensors });
  const ids = new Rng(seed, "input-ids");
  const rows = Array.from({ length: windows }, () => {
    const window = Array.from({ length: seqlen }, () => ids.integer(parsed.vocabSize));
    return JSON.stringify({ input_ids: window });
  });
  await writeFileAtomic(join(folder, "input-ids.jsonl"), `${rows.join("\n")}\n`);
}

/** `length` bytes of an endless repetition of `table`, from `start`. */
function repeated(table: Uint8Array, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, from = start; at < length; from = 0) {
    const piece = table.subarray(from, from + length - at);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

if (process.argv[1] !== undefined && /generate-checkpoint\.[jt]s$/.test(process.argv[1])) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: "string" }, windows: { type: "string" }, seqlen: { type: "string" } },
  });
  const [shape, folder] = positionals;
  const config = SHAPES[shape ?? ""];
  if (!config || folder === undefined) {
    throw new UsageError(
      `generate-checkpoint: expected a shape (${Object.keys(SHAPES).join(", ")}) and a folder.`,
    );
  }
  const number = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Number(text);
  await generateCheckpoint(folder, {
    config,
    seed: number(values.seed),
    windows: number(values.windows),
    seqlen: number(values.seqlen),
  });
}

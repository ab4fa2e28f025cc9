import { isSdmPruneError, Rng } from "@sdmprune/core";
import {
  ggufPieces,
  type GgufTensorToWrite,
  type GgufValue,
  importLlama,
  layoutGguf,
  openGguf,
} from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";

/** A whole small Llama with a byte-level tokenizer: one layer, two heads of two dimensions, one key head. */
async function tinyGguf(edits: Readonly<Record<string, GgufValue | undefined>> = {}): Promise<Uint8Array> {
  const uint32 = (value: number): GgufValue => ({ type: "UINT32", value });
  const string = (value: string): GgufValue => ({ type: "STRING", value });
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", string("llama")],
    ["llama.block_count", uint32(1)],
    ["llama.context_length", uint32(16)],
    ["llama.embedding_length", uint32(4)],
    ["llama.feed_forward_length", uint32(32)],
    ["llama.attention.head_count", uint32(2)],
    ["llama.attention.head_count_kv", uint32(1)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "FLOAT32", value: 1e-5 }],
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string("smollm")],
    ["tokenizer.ggml.tokens", { type: "ARRAY", itemType: "STRING", value: ["<s>", "a", "b", "ab"] }],
    ["tokenizer.ggml.token_type", { type: "ARRAY", itemType: "INT32", value: [3, 1, 1, 1] }],
    ["tokenizer.ggml.merges", { type: "ARRAY", itemType: "STRING", value: ["a b"] }],
    ["tokenizer.ggml.bos_token_id", uint32(0)],
    ["tokenizer.ggml.add_bos_token", { type: "BOOL", value: true }],
  ]);
  for (const [key, value] of Object.entries(edits)) {
    if (value) metadata.set(key, value);
    else metadata.delete(key);
  }
  const tensor = (name: string, ...shape: number[]): GgufTensorToWrite => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, (_, i) => i);
    return { name, type: "F32", shape, data: () => new Uint8Array(values.buffer) };
  };
  const tensors = [
    tensor("token_embd.weight", 4, 4),
    tensor("blk.0.attn_norm.weight", 4),
    tensor("blk.0.attn_q.weight", 4, 4),
    tensor("blk.0.attn_k.weight", 2, 4),
    tensor("blk.0.attn_v.weight", 2, 4),
    tensor("blk.0.attn_output.weight", 4, 4),
    tensor("blk.0.ffn_norm.weight", 4),
    tensor("blk.0.ffn_gate.weight", 32, 4),
    tensor("blk.0.ffn_up.weight", 32, 4),
    { ...tensor("blk.0.ffn_down.weight", 4, 32), type: "Q8_0" as const, data: () => new Uint8Array(4 * 34) },
    tensor("output_norm.weight", 4),
  ];
  const pieces: Uint8Array[] = [];
  for await (const piece of ggufPieces(layoutGguf(metadata, tensors))) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** What convert does with a file: header, config, tokenizer and every tensor. */
async function importAll(bytes: Uint8Array) {
  const { config, tensors, files } = await importLlama(await openGguf(bytes, "in.gguf"), {
    torchDType: "float32",
  });
  const data = new Map<string, Uint8Array>();
  for (const tensor of tensors) data.set(tensor.name, await tensor.data());
  return { config, data, files };
}

const CASES = 300;
const MUTATIONS: Record<string, (bytes: Uint8Array, rng: Rng) => Uint8Array> = {
  truncation: (bytes, rng) => bytes.slice(0, rng.integer(bytes.byteLength)),
  "flipped bytes": (bytes, rng) => {
    const copy = bytes.slice();
    for (let i = 0; i <= rng.integer(3); i++) copy[rng.integer(copy.byteLength)]! ^= 1 + rng.integer(255);
    return copy;
  },
  "huge numbers in the header": (bytes, rng) => {
    const copy = bytes.slice();
    const huge = [2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 0n][rng.integer(7)]!;
    new DataView(copy.buffer).setBigUint64(rng.integer(1200), huge, true);
    return copy;
  },
  "bytes removed or doubled": (bytes, rng) => {
    const at = rng.integer(1400);
    const end = at + 1 + rng.integer(16);
    const rest = rng.integer(2) === 0 ? bytes.subarray(end) : bytes.subarray(at);
    return new Uint8Array(Buffer.concat([bytes.subarray(0, rng.integer(2) === 0 ? at : end), rest]));
  },
};

describe("a damaged GGUF file gives a clear error or a result", () => {
  it.each(Object.keys(MUTATIONS))("%s", async (kind) => {
    const good = await tinyGguf();
    let errors = 0;
    for (let i = 0; i < CASES; i++) {
      const start = performance.now();
      try {
        await importAll(MUTATIONS[kind]!(good, new Rng(i, kind)));
      } catch (error) {
        if (!isSdmPruneError(error))
          throw new Error(`${kind}, case ${i}: got no error of ours`, { cause: error });
        expect(error.message).not.toMatch(/[\n\r]/);
        expect(error.message.length).toBeLessThan(900);
        expect(error.message).toContain("in.gguf");
        errors++;
      }
      expect(performance.now() - start).toBeLessThan(2000);
    }
    expect(errors).toBeGreaterThan(kind === "truncation" ? CASES - 10 : 20);
  });

  it("and before it is damaged the right one", async () => {
    const { config, data, files } = await importAll(await tinyGguf());
    expect(config).toMatchObject({
      hidden_size: 4,
      num_key_value_heads: 1,
      tie_word_embeddings: true,
      rope_theta: 10000,
    });
    expect(JSON.parse(files["tokenizer.json"]!)).toMatchObject({ model: { merges: [["a", "b"]] } });
    // One head of the two: its rows 0 and 1 are a pair in both orders, as a head has two rows here.
    const q = data.get("model.layers.0.self_attn.q_proj.weight")!;
    expect([...new Float32Array(q.buffer, q.byteOffset, 4)]).toEqual([0, 1, 2, 3]);
  });
});

describe("what a Llama of transformers cannot be is refused with a reason", () => {
  const string = (value: string): GgufValue => ({ type: "STRING", value });
  it.each<[string, Record<string, GgufValue | undefined>, string]>([
    [
      "another architecture",
      { "general.architecture": string("qwen2") },
      'general.architecture: expected "llama", got "qwen2"',
    ],
    [
      "experts",
      { "llama.expert_count": { type: "UINT32", value: 8 } },
      "expected a dense model, got 8 experts",
    ],
    ["a part of a model", { "split.count": { type: "UINT16", value: 2 } }, "llama-gguf-split --merge"],
    [
      "yarn",
      { "llama.rope.scaling.type": string("yarn") },
      'expected none, linear, or llama3 factors, got "yarn"',
    ],
    [
      "an unknown splitter",
      { "tokenizer.ggml.pre": string("tekken") },
      'got "tekken". Take tokenizer.json from the original',
    ],
    [
      "an unknown tokenizer",
      { "tokenizer.ggml.model": string("t5") },
      'expected "gpt2" or "llama", got "t5"',
    ],
    [
      "no scores",
      { "tokenizer.ggml.model": string("llama") },
      'expected the metadata key "tokenizer.ggml.scores", got none',
    ],
    [
      "widths by layer",
      { "llama.feed_forward_length": { type: "ARRAY", itemType: "INT32", value: [32, 16] } },
      "the same for every layer, got a list of 2 INT32",
    ],
  ])("%s", async (_, edits, message) => {
    await expect(importAll(await tinyGguf(edits))).rejects.toThrow(message);
  });
});

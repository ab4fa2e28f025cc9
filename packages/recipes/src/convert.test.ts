import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host } from "@sdmprune/core";
import { editConfig, openGguf } from "@sdmprune/model-io";
import { openCheckpoint, openTokenizer } from "@sdmprune/model-io/node";
import { modelsPlugin } from "@sdmprune/models";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert } from "./convert.js";

const DEMO = join(import.meta.dirname, "../../cli/demo-model"); // bfloat16, GQA, tied, BPE split as GPT-2's
const run = new Host().use(modelsPlugin).createRun({ seed: 0 });
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "sdmprune-convert-"));
});
afterAll(async () => {
  await run.dispose();
  await rm(root, { recursive: true });
});

describe("a checkpoint becomes a GGUF file and a checkpoint again", () => {
  it.each(["BF16", "F32"] as const)("without a changed bit, through %s", async (type) => {
    const gguf = join(root, `${type}.gguf`);
    await convert(run, { input: DEMO, output: gguf, type });
    await convert(run, { input: gguf, output: join(root, type), dtype: "bfloat16" });
    const [before, after] = [await openCheckpoint(DEMO), await openCheckpoint(join(root, type))];
    expect(after.tensorNames()).toEqual(before.tensorNames());
    for (const name of before.tensorNames()) {
      expect(Buffer.from(await after.read(name)).equals(await before.read(name)), name).toBe(true);
    }
    const { attention_dropout: _, initializer_range: __, ...expected } = before.config;
    expect(after.config).toMatchObject({ ...expected, rope_scaling: null });
  });

  it("with the same tokens", async () => {
    const text = await readFile(join(DEMO, "heldout.txt"), "utf8");
    const [before, after] = [await openTokenizer(DEMO), await openTokenizer(join(root, "BF16"))];
    expect(after.encode(text)).toEqual(before.encode(text));
    expect(after).toMatchObject({ bosTokenId: 0, eosTokenId: 1, padTokenId: 1, addsBosToken: true });
  });

  it("with llama3 rotary scaling, which GGUF has as factors", async () => {
    const model = join(root, "scaled");
    await cp(DEMO, model, { recursive: true });
    const scaling = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const text = await readFile(join(DEMO, "config.json"), "utf8");
    await writeFile(
      join(model, "config.json"),
      editConfig(text, { rope_scaling: { ...scaling, rope_type: "llama3" } }),
    );
    await convert(run, { input: model, output: join(root, "scaled.gguf") });
    await convert(run, { input: join(root, "scaled.gguf"), output: join(root, "scaled-again") });
    const { config } = await openCheckpoint(join(root, "scaled-again"));
    expect(config).toMatchObject({
      rope_scaling: { ...scaling, rope_type: "llama3" },
      torch_dtype: "float16",
    });
  });
});

it("puts each head's rows in GGUF's order, and vectors in float32", async () => {
  const gguf = await openGguf(await readFile(join(root, "F32.gguf")));
  const checkpoint = await openCheckpoint(DEMO);
  const before = await checkpoint.readFloat32("model.layers.1.self_attn.k_proj.weight"); // two heads of 32 rows
  const after = await gguf.readFloat32("blk.1.attn_k.weight");
  const row = (values: Float32Array, i: number) => [...values.subarray(i * 128, (i + 1) * 128)];
  expect(row(after, 32)).toEqual(row(before, 32));
  expect(row(after, 33)).toEqual(row(before, 48)); // the pair of row 0 is row 16 of the head
  expect(row(after, 34)).toEqual(row(before, 33));
  expect(gguf.tensor("blk.1.attn_norm.weight")).toMatchObject({ type: "F32", shape: [128] });
  expect(gguf.metadata.string("tokenizer.ggml.pre")).toBe("gpt-2");
});

it("quantises to Q8_0 whatever has whole blocks, and says what has not", async () => {
  const result = await convert(run, { input: DEMO, output: join(root, "q8.gguf"), type: "Q8_0" });
  expect(result).toMatchObject({ kind: "gguf", type: "Q8_0", fallbacks: [] });
  const gguf = await openGguf(await readFile(join(root, "q8.gguf")));
  const before = await (await openCheckpoint(DEMO)).readFloat32("model.layers.0.mlp.down_proj.weight");
  const after = await gguf.readFloat32("blk.0.ffn_down.weight");
  const largest = before.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(before.every((value, i) => Math.abs(value - after[i]!) <= largest / 127)).toBe(true);
});

describe("a request that does not fit is one line that says what would", () => {
  it.each([
    [
      "a GGUF file for a folder",
      { input: DEMO, output: "out" },
      "expected the name of a file that ends in .gguf",
    ],
    [
      "dtype for a GGUF file",
      { input: DEMO, output: "x.gguf", dtype: "float32" as const },
      "Use type instead of dtype.",
    ],
    [
      "nothing there",
      { input: "none.gguf", output: "out" },
      "none.gguf: expected a GGUF file, got a path with nothing there.",
    ],
    [
      "no GGUF file",
      { input: join(DEMO, "config.json"), output: "out" },
      'expected a file that starts with "GGUF", got 0x',
    ],
  ])("%s", async (_, request, message) => {
    await expect(convert(run, request)).rejects.toThrow(message);
  });

  it("an output that is there", async () => {
    const request = { input: DEMO, output: join(root, "BF16.gguf") };
    await expect(convert(run, request)).rejects.toThrow("expected nothing there yet, got a file.");
    await expect(convert(run, { input: request.output, output: join(root, "BF16") })).rejects.toThrow(
      "Use force to replace it.",
    );
  });
});

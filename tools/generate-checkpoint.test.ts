import { readFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { checkTensors, llamaFamily } from "@sdmprune/models/families";
import { afterAll, expect, it } from "vitest";
import { generateCheckpoint, SHAPES } from "./generate-checkpoint.js";

const folder = mkdtempSync(join(tmpdir(), "generate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = {
  ...SHAPES["smollm2-135m"],
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 300,
};

it("writes a checkpoint of the shape asked for, the same bytes for the same seed", async () => {
  for (const [name, seed] of [
    ["a", 0],
    ["b", 0],
    ["c", 1],
  ] as const) {
    await generateCheckpoint(join(folder, name), { config, seed, windows: 3, seqlen: 20 });
  }
  const read = (name: string): Promise<Buffer> => readFile(join(folder, name));
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => read(`${name}/model.safetensors`)));
  expect(a!.equals(b!)).toBe(true);
  expect(a!.equals(c!)).toBe(false);
  const checkpoint = await openCheckpoint(join(folder, "a"));
  checkTensors(checkpoint, llamaFamily.expectedTensors(llamaFamily.parseConfig(checkpoint.config)));
  const rows = (await read("a/input-ids.jsonl")).toString().trim().split("\n");
  const ids = rows.map((row) => (JSON.parse(row) as { input_ids: number[] }).input_ids);
  expect(ids.map(({ length }) => length)).toEqual([20, 20, 20]);
  expect(ids.flat().every((id) => Number.isInteger(id) && id >= 0 && id < 300)).toBe(true);
});

it("draws weights of standard deviation 0.02, and norms of 1", async () => {
  const checkpoint = await openCheckpoint(join(folder, "a"));
  const values = await checkpoint.readFloat32("model.embed_tokens.weight");
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  expect(Math.abs(mean)).toBeLessThan(0.001);
  expect(std).toBeCloseTo(0.02, 3);
  expect(new Set(await checkpoint.readFloat32("model.norm.weight"))).toEqual(new Set([1]));
  // No row of a matrix is another one.
  const table = Array.from({ length: 300 }, (_, i) => values.subarray(i * 64, (i + 1) * 64).join());
  expect(new Set(table).size).toBe(300);
});

it("has the shapes of published models", () => {
  const numParameters = (name: string): number =>
    llamaFamily
      .expectedTensors(llamaFamily.parseConfig(SHAPES[name]!))
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(numParameters("smollm2-135m")).toBe(134_515_008);
  expect(numParameters("llama-3.2-1b")).toBe(1_235_814_400);
  expect(numParameters("llama-2-7b")).toBe(6_738_415_616);
});

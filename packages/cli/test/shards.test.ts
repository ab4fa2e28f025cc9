import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runMany } from "./run-many.js";

const root = temporaryFolder();

beforeAll(async () => {
  await tinyLlama().write(join(root, "model"));
  const text = Array.from({ length: 30 }, (_, i) => `Once there were ${i} foxes in a wood.`).join("\n\n");
  writeFileSync(join(root, "text.txt"), text);
});

it("scores by shards, under any limit of memory, to the file of one run", async () => {
  const score =
    "score model --importance wanda,taylor --calibration text.txt --nsamples 5 --seqlen 16 --json";
  const commands = [
    `${score} -o whole.safetensors`,
    `${score} -o 1.safetensors --shard 1/2 --memory 1GiB`,
    `${score} -o 2.safetensors --shard 2/2 --memory auto`,
    "merge-scores 2.safetensors 1.safetensors -o merged.safetensors --model model --json",
    "inspect 1.safetensors",
    "merge-scores 1.safetensors -o other.safetensors",
    `${score} -o 3.safetensors --shard 3/2`,
    `${score} -o 3.safetensors --memory 1`,
  ];
  const results = await runMany(
    commands.map((command) => command.split(" ")),
    root,
  );
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 1, 2, 2, 2]);
  const [whole, first, second, merged, ...refused] = results;
  expect(JSON.parse(first!.stdout)).toEqual({ output: "1.safetensors", index: 1, count: 2, nsamples: 2 });
  expect(JSON.parse(second!.stdout)).toMatchObject({ index: 2, nsamples: 3 });
  expect(JSON.parse(merged!.stdout)).toEqual({
    ...(JSON.parse(whole!.stdout) as object),
    output: "merged.safetensors",
  });
  const bytes = (name: string): Buffer => readFileSync(join(root, name));
  expect(bytes("merged.safetensors").equals(bytes("whole.safetensors"))).toBe(true);
  expect(refused.map(({ stderr }) => stderr.trimEnd().split("\n").at(-1))).toEqual([
    "error: 1.safetensors: expected a whole score file, got a shard of one. Merge all of them with merge-scores.",
    "error: merge-scores: expected all 2 shards, got 1; missing: 2/2.",
    "error: option '--shard <i/n>' argument '3/2' is invalid. Expected which part of how many, for example 2/8.",
    'error: memory: expected a size such as 4GiB or 800MB, got "1".',
  ]);
});

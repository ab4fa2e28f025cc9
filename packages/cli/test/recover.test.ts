import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runCli } from "./run-cli.js";

const root = temporaryFolder();
const prune = (name: string): string[] => [
  ...[
    "prune",
    join(root, "model"),
    "-o",
    join(root, name),
    "--method",
    "magnitude",
    "--width",
    "16",
    "--threads",
    "1",
  ],
];

beforeAll(async () => {
  await tinyLlama({ dtype: "F32" }).write(join(root, "model"));
  const rows = Array.from({ length: 12 }, (_, i) => ({
    instruction: `Say ${i}`,
    input: "",
    output: `${i}`.repeat(5),
  }));
  writeFileSync(join(root, "rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
});

it("prunes, trains and merges in one go", async () => {
  const data = ["--recover-data", join(root, "text.jsonl")];
  const rows = Array.from({ length: 12 }, (_, i) => ({ text: `${"ab".repeat(i + 1)} c` }));
  writeFileSync(join(root, "text.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const result = await runCli([...prune("out"), "--recover", "sdmprune-lora", ...data, "--json", "--quiet"]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  const { recovered } = JSON.parse(result.stdout) as {
    recovered: { output: string; merged: { maxLogitDifference: number } };
  };
  expect(recovered.output).toBe(join(root, "out-recovered"));
  expect(recovered.merged.maxLogitDifference).toBeLessThan(1e-4);
  for (const file of [
    "out/config.json",
    "out-recovery/adapter_config.json",
    "out-recovered/model.safetensors",
  ]) {
    expect(existsSync(join(root, file)), file).toBe(true);
  }
  const again = await runCli([...prune("out2"), "--recover", "sdmprune-full", ...data, "--json"]);
  expect(again, again.stderr).toMatchObject({ code: 0 });
}, 120_000);

it("says what is wrong before anything is pruned", async () => {
  const lone = await runCli([...prune("lone"), "--recover", "sdmprune-lora"]);
  expect(lone).toMatchObject({ code: 2 });
  expect(lone.stderr).toBe(
    "error: recover: expected --recover PRESET together with --recover-data SOURCE, got one of them.\n",
  );
  expect(existsSync(join(root, "lone"))).toBe(false);
}, 60_000);

it("has a clear line for training requests that cannot be met", async () => {
  const model = join(root, "model");
  const train = (...more: string[]) =>
    runCli(["train", model, "--data", join(root, "text.jsonl"), "--quiet", ...more]);
  const output = join(root, "some-training");
  expect(await train()).toMatchObject({
    code: 2,
    stderr: "error: train: expected an output folder. Give one with -o DIR.\n",
  });
  expect((await train("-o", output, "--target-modules", "q_prj")).stderr).toContain('Did you mean "q_proj"?');
  expect(await train("-o", join(root, "t1"), "--max-steps", "1")).toMatchObject({ code: 0 });
  expect((await train("-o", join(root, "t1"), "--max-steps", "1")).stderr).toContain(
    "Go on with --resume, or replace it with --force.",
  );
  expect((await train("-o", join(root, "t1"), "--max-steps", "2", "--resume")).stderr).toContain(
    'was asked for otherwise ("max_steps": 1, then, "max_steps": 2, now)',
  );
  expect(
    (await runCli(["ppl", model, "--adapter", root, "--text", join(root, "text.jsonl"), "--quiet"])).stderr,
  ).toContain("expected an adapter folder with adapter_config.json");
}, 180_000);

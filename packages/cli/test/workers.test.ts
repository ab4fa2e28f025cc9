import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, expect, it } from "vitest";
import { folderContents, temporaryFolder } from "./folder-contents.js";
import { runCli, type CliResult } from "./run-cli.js";

/** Every run starts threads that load the program from its source. */
const TIMEOUT_MS = 240_000;

const root = temporaryFolder();

beforeAll(async () => {
  await tinyLlama({ numLayers: 3, intermediateSize: 96 }).write(join(root, "model"));
  const rng = new Rng(3, "ids");
  const rows = Array.from({ length: 7 }, () => Array.from({ length: 40 }, () => rng.integer(258)));
  writeFileSync(join(root, "ids.jsonl"), rows.map((ids) => JSON.stringify({ input_ids: ids })).join("\n"));
});

function prune(output: string, ...more: string[]): Promise<CliResult> {
  const args = [
    "prune",
    "model",
    "-o",
    output,
    "--width",
    "40",
    "--calibration",
    "ids.jsonl",
    "--nsamples",
    "7",
  ];
  return runCli([...args, ...more], { cwd: root });
}

const filesOf = (output: string): Map<string, string> => folderContents(join(root, output));

it(
  "prunes to the same bytes with any number of workers and threads",
  async () => {
    const runs = [
      prune("alone", "--workers", "1"),
      prune("one-thread", "--workers", "1", "--threads", "1"),
      prune("two", "--workers", "2"),
      prune("three", "--workers", "3", "--memory", "6GiB"),
    ];
    const results = await Promise.all(runs);
    expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0, 0, 0]);
    expect(results[2]!.stderr).toContain("stage 2: self-distillation: 7 samples, 2 at a time");
    expect(filesOf("alone").has("model.safetensors")).toBe(true);
    for (const other of ["one-thread", "two", "three"]) expect(filesOf(other)).toEqual(filesOf("alone"));
  },
  TIMEOUT_MS,
);

it(
  "goes on after an interruption, with other workers, to the same bytes",
  async () => {
    const interrupted = await runCli(
      [
        ...[
          "prune",
          "model",
          "-o",
          "resumed",
          "--width",
          "40",
          "--calibration",
          "ids.jsonl",
          "--nsamples",
          "7",
        ],
        ...["--workers", "2"],
      ],
      {
        cwd: root,
        onLine: (line, child) => {
          if (line.endsWith("self-distillation: 7 samples, 2 at a time")) child.kill("SIGINT");
        },
      },
    );
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain("error: Interrupted.");
    const resumed = await prune("resumed", "--resume", "--workers", "3");
    expect(resumed.code === 0 ? 0 : resumed.stderr).toBe(0);
    await prune("whole");
    expect(filesOf("resumed")).toEqual(filesOf("whole"));
  },
  TIMEOUT_MS,
);

it(
  "says why there can be no workers",
  async () => {
    const shard = await runCli(
      [
        ...["score", "model", "--importance", "taylor", "--calibration", "ids.jsonl", "--nsamples", "7"],
        ...["-o", "shard.safetensors", "--shard", "1/2", "--workers", "2"],
      ],
      { cwd: root },
    );
    expect(shard).toMatchObject({ code: 2 });
    expect(shard.stderr).toContain("error: workers: expected 1 for a shard, got 2. Use more shards instead.");
    const tight = await prune("tight", "--workers", "7", "--memory", "700MiB");
    expect(tight.code).toBe(2);
    expect(tight.stderr).toMatch(/error: workers: expected at most \d within 700 MiB of memory, got 7\./);
  },
  TIMEOUT_MS,
);

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runCli, type CliResult } from "./run-cli.js";

const STEPS = 60;
const root = temporaryFolder();

const args = (output: string, mode: string): string[] => [
  ...["train", join(root, "model"), mode, "-o", output, "--data", join(root, "data.jsonl"), "--threads", "1"],
  ...[
    "--max-length",
    "64",
    "--grad-accum",
    "2",
    "--max-steps",
    String(STEPS),
    "--lr",
    "1e-3",
    "--warmup",
    "5",
  ],
  ...["--lora-dropout", "0.2", "--held-out", "4", "--eval-every", "7", "--save-every", "3"],
];

beforeAll(async () => {
  await tinyLlama({ numLayers: 3, intermediateSize: 48 }).write(join(root, "model"));
  const rng = new Rng(2, "rows");
  const word = (): string => String.fromCharCode(97 + rng.integer(20)).repeat(1 + rng.integer(4));
  const words = (n: number): string => Array.from({ length: n }, word).join(" ");
  const rows = Array.from({ length: 60 }, () => ({ text: words(12 + rng.integer(10)) }));
  writeFileSync(join(root, "data.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
});

/** The curve without what depends on the clock. */
function curve(output: string): unknown[] {
  const lines = readFileSync(join(output, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const {
      elapsedMs: _elapsed,
      tokensPerSecond: _rate,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    return rest;
  });
}

function stepsSoFar(output: string): number {
  const path = join(output, "metrics.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

/** Runs and kills once so many more steps are done. */
async function runAndKill(output: string, mode: string, after: number): Promise<CliResult> {
  const until = stepsSoFar(output) + after;
  let timer: NodeJS.Timeout | undefined;
  const result = await runCli([...args(output, mode), "--resume"], {
    onLine(line, child) {
      if (timer || !line.startsWith("train")) return;
      timer = setInterval(() => {
        if (stepsSoFar(output) >= until) child.kill("SIGKILL");
      }, 5);
    },
  });
  clearInterval(timer);
  return result;
}

it.each([
  ["--lora", "adapter_model.safetensors"],
  ["--full", "model.safetensors"],
])(
  "goes on to the same bits after five kills: %s",
  async (mode, weights) => {
    const [whole, killed] = [join(root, `whole${mode}`), join(root, `killed${mode}`)];
    const reference = await runCli(args(whole, mode));
    expect(reference).toMatchObject({ code: 0 });
    expect(curve(whole)).toHaveLength(STEPS);
    const rng = new Rng(1, "kills");
    let resumed = 0;
    for (let kill = 0; kill < 5; kill++) {
      const result = await runAndKill(killed, mode, 4 + rng.integer(5));
      expect(result.code, result.stderr).toBe(null);
      if (/going on after step \d+/.test(result.stderr)) resumed++;
    }
    expect(resumed).toBeGreaterThan(2);
    const last = await runCli([...args(killed, mode), "--resume"]);
    expect(last).toMatchObject({ code: 0 });
    expect(curve(killed)).toEqual(curve(whole));
    expect(readFileSync(join(killed, weights)).equals(readFileSync(join(whole, weights)))).toBe(true);
  },
  600_000,
);

import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, expect, it } from "vitest";
import { folderContents, temporaryFolder } from "./folder-contents.js";
import { runCli, type CliResult } from "./run-cli.js";

const NSAMPLES = 100;
/** Lines of the program in the order in which they come: a kill is timed from one of them. */
const MOMENTS = [
  "draw calibration samples",
  "stage 1: taylor: 100",
  "stage 2: self-distillation: 100",
  "write checkpoint",
];

const root = temporaryFolder();
const reference = join(root, "reference");
const old = join(root, "old");

const args = (output: string): string[] => [
  ...["prune", join(root, "model"), "-o", output, "--width", "40", "--threads", "1"],
  ...["--calibration", join(root, "ids.jsonl"), "--nsamples", String(NSAMPLES)],
];

beforeAll(async () => {
  await tinyLlama({ numLayers: 4, intermediateSize: 96 }).write(join(root, "model"));
  await tinyLlama({ seed: 1 }).write(old);
  const rng = new Rng(3, "ids");
  const rows = Array.from({ length: NSAMPLES }, () => Array.from({ length: 90 }, () => rng.integer(258)));
  writeFileSync(join(root, "ids.jsonl"), rows.map((ids) => JSON.stringify({ input_ids: ids })).join("\n"));
  expect(await runCli(args(reference))).toMatchObject({ code: 0 });
  expect(leftovers("reference")).toEqual([]);
});

/** What stands beside an output: work folder, unfinished and old folders. */
function leftovers(name: string): string[] {
  return readdirSync(root).filter((entry) => entry.startsWith(`.${name}.`));
}

interface Moment {
  readonly after: number;
  readonly delayMs: number;
}

/** Runs and kills at the moment; a run that is past its line already is timed from the next one. */
async function runAndKill(
  more: readonly string[],
  output: string,
  { after, delayMs }: Moment,
): Promise<CliResult> {
  let isTimed = false;
  return runCli([...args(output), ...more], {
    onLine: (line, child) => {
      if (isTimed || !MOMENTS.slice(after).some((start) => line.startsWith(start))) return;
      isTimed = true;
      setTimeout(() => child.kill("SIGKILL"), delayMs);
    },
  });
}

/** Samples after which a run said that it goes on. */
function resumedAt({ stderr }: CliResult): number[] {
  return [...stderr.matchAll(/going on after (\d+) of/g)].map((match) => Number(match[1]));
}

/**
 * Kills a prune five times, resuming in between, checks the folder each time and lets it end. A run that ends before
 * it is killed starts the next one from nothing.
 */
async function killFiveTimes(name: string, force: boolean, rng: Rng): Promise<number[]> {
  const output = join(root, name);
  const [before, after] = [force ? folderContents(old) : undefined, folderContents(reference)];
  const reset = (): void => {
    rmSync(output, { recursive: true, force: true });
    if (force) cpSync(old, output, { recursive: true });
  };
  const isWhole = (): boolean => {
    if (!existsSync(output)) return !force || leftovers(name).some((entry) => entry.includes(".old-"));
    const found = folderContents(output);
    return [before, after].some(
      (whole) => whole && JSON.stringify([...whole]) === JSON.stringify([...found]),
    );
  };
  const flags = ["--resume", ...(force ? ["--force"] : [])];
  reset();
  const resumed: number[] = [];
  const moments = [1, 1, 2, 2, 3].map((line) => ({
    after: line,
    delayMs: rng.uniform() * (line === 3 ? 60 : 500),
  }));
  for (let kills = 0, runs = 0; kills < 5; runs++) {
    expect(runs, "runs that ended before they were killed").toBeLessThan(12);
    const result = await runAndKill(flags, output, moments[kills]!);
    resumed.push(...resumedAt(result));
    expect(isWhole(), `${name}, ${JSON.stringify(moments[kills])}`).toBe(true);
    if (result.code === null) kills++;
    else {
      expect(result).toMatchObject({ code: 0 });
      expect(folderContents(output)).toEqual(after);
      reset();
    }
  }
  const last = await runCli([...args(output), "--resume", "--force"]);
  expect(last).toMatchObject({ code: 0 });
  expect(folderContents(output)).toEqual(after);
  expect(leftovers(name)).toEqual([]);
  return [...resumed, ...resumedAt(last)];
}

async function interruptOnce(): Promise<void> {
  const output = join(root, "interrupted");
  let isInterrupted = false; // once: the second signal ends it at once
  const { code, stdout, stderr } = await runCli(args(output), {
    onLine: (line, child) => {
      if (isInterrupted || !line.startsWith(MOMENTS[1]!)) return;
      isInterrupted = true;
      setTimeout(() => child.kill("SIGINT"), 300);
    },
  });
  expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
  const errors = stderr.split("\n").filter((line) => !/^(draw|backend|stage)/.test(line));
  expect(errors).toEqual(["error: Interrupted. What was scored is kept: --resume goes on from there.", ""]);
  expect(existsSync(output)).toBe(false);
  expect(leftovers("interrupted")).toEqual([".interrupted.work"]);
  const resumed = await runCli([...args(output), "--resume"]);
  expect(resumed.code).toBe(0);
  expect(resumedAt(resumed)[0]).toBeGreaterThan(0);
  expect(folderContents(output)).toEqual(folderContents(reference));
  expect(leftovers("interrupted")).toEqual([]);
}

it("leaves no folder or a whole one when killed or interrupted, and resumes to the same bytes", async () => {
  const [fresh, forced] = await Promise.all([
    killFiveTimes("fresh", false, new Rng(1, "kill")),
    killFiveTimes("forced", true, new Rng(2, "kill")),
    interruptOnce(),
  ]);
  // Runs went on in the middle of a stage, not only between stages.
  expect([...fresh, ...forced].filter((sample) => sample > 0 && sample < NSAMPLES).length).toBeGreaterThan(2);
}, 180_000);

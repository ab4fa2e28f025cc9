import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, FormatError } from "@sdmprune/core";
import type { Commit } from "../runner/commit.js";
import type { Machine } from "../runner/machine.js";

/** A file of `results/`. */
export interface SpeedResults {
  readonly format: typeof FORMAT;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly commit: Commit;
  readonly command: string;
  readonly threads: number;
  readonly repetitions: number;
  readonly machine: Machine;
  readonly cases: readonly CaseResult[];
}

export interface CaseResult {
  readonly name: string;
  readonly what: string;
  readonly flops?: number;
  /** Tokens that one run passes through a model. */
  readonly tokens?: number;
  readonly ours: Timing;
  readonly pytorch?: Timing;
  /** PyTorch's median over ours: above 1, ours is faster. */
  readonly ratio?: number;
  /** PyTorch with weights, activations and gradients in bfloat16. */
  readonly bfloat16?: Timing;
  readonly bfloat16Ratio?: number;
}

export interface Timing {
  readonly medianMs: number;
  /** Every repetition, in order. */
  readonly ms: readonly number[];
  /** Most memory that was resident, of a program that ran this case alone. */
  readonly peakBytes?: number;
  /** Rate at which it multiplies the matrices that bound the case, in GFLOP/s. */
  readonly gemmGflops?: number;
}

export const FORMAT = "sdmprune-speed-1";

/**
 * Writes results as `<day>-<commit>.json` into a folder and returns the file's path. Cases that are there already, of the
 * same day and commit, and were not measured again are kept: a long run may be done in parts.
 */
export async function writeSpeedResults(folder: string, results: SpeedResults): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${results.date.slice(0, 10)}-${results.commit.hash.slice(0, 7)}.json`);
  const before = await readFile(path, "utf8").then(
    (text) => parse(path, text).cases,
    (): readonly CaseResult[] => [], // the first of this commit and day
  );
  const measured = new Set(results.cases.map(({ name }) => name));
  const cases = [...before.filter(({ name }) => !measured.has(name)), ...results.cases];
  await writeFile(path, `${JSON.stringify({ ...results, cases }, undefined, 2)}\n`);
  return path;
}

/**
 * The results in a folder with the latest date, and the name of their file.
 *
 * @returns `undefined` if there are none.
 * @throws {FormatError} If a JSON file there is no such file.
 */
export async function newestSpeedResults(
  folder: string,
): Promise<{ file: string; results: SpeedResults } | undefined> {
  const names = await readdir(folder).catch((): string[] => []); // no folder yet: no results
  const all = await Promise.all(
    names
      .filter((file) => file.endsWith(".json"))
      .map(async (file) => ({ file, results: parse(file, await readFile(join(folder, file), "utf8")) })),
  );
  return all.sort((a, b) => (a.results.date < b.results.date ? -1 : 1)).at(-1);
}

function parse(file: string, text: string): SpeedResults {
  let results: Partial<SpeedResults>;
  try {
    results = JSON.parse(text) as Partial<SpeedResults>;
  } catch (cause) {
    throw new FormatError(`${file}: expected JSON (${errorMessage(cause)}).`, { cause });
  }
  if (results.format !== FORMAT) {
    throw new FormatError(`${file}: expected format "${FORMAT}", got ${JSON.stringify(results.format)}.`);
  }
  return results as SpeedResults;
}

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
  readonly ours: Timing;
  readonly pytorch?: Timing;
  /** PyTorch's median over ours: above 1, ours is faster. */
  readonly ratio?: number;
}

export interface Timing {
  readonly medianMs: number;
  /** Every repetition, in order. */
  readonly ms: readonly number[];
}

export const FORMAT = "sdmprune-speed-1";

/** Writes results as `<day>-<commit>.json` into a folder and returns the file's path. */
export async function writeSpeedResults(folder: string, results: SpeedResults): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${results.date.slice(0, 10)}-${results.commit.hash.slice(0, 7)}.json`);
  await writeFile(path, `${JSON.stringify(results, undefined, 2)}\n`);
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

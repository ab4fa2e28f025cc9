import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Commit } from "../../speed/runner/commit.js";
import type { Machine } from "../../speed/runner/machine.js";

/** A file of `results/`. */
export interface EvaluationSpeed {
  readonly format: "sdmprune-evaluation-speed-1";
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly commit: Commit;
  readonly command: string;
  readonly model: string;
  readonly threads: number;
  readonly machine: Machine & { readonly lmEval?: string; readonly transformers?: string };
  readonly cases: readonly EvaluationSpeedCase[];
}

export interface EvaluationSpeedCase {
  readonly name: string;
  readonly documents: number;
  readonly ours: EvaluationTiming;
  readonly lmEval?: EvaluationTiming;
  /** lm-eval's median time over ours: above 1, ours is faster. */
  readonly ratio?: number;
  /** The same of the time that all threads computed: other programs on the machine leave it nearly alone. */
  readonly cpuRatio?: number;
}

export interface EvaluationTiming {
  /** At the median time. */
  readonly documentsPerSecond: number;
  /** Every repetition, in order. */
  readonly ms: readonly number[];
  /** Time that all threads computed. */
  readonly cpuMs: readonly number[];
  /** A setting that was chosen by measuring. */
  readonly detail?: string;
}

export const RESULTS_FOLDER = fileURLToPath(new URL("../results", import.meta.url));

/** Writes results as `<day>-<commit>.json` into the folder of results and returns the file's path. */
export async function writeEvaluationSpeed(results: EvaluationSpeed): Promise<string> {
  await mkdir(RESULTS_FOLDER, { recursive: true });
  const path = join(RESULTS_FOLDER, `${results.date.slice(0, 10)}-${results.commit.hash.slice(0, 7)}.json`);
  await writeFile(path, `${JSON.stringify(results, undefined, 2)}\n`);
  return path;
}

/** The newest results and the name of their file; `undefined` if there are none. */
export async function newestEvaluationSpeed(): Promise<
  { file: string; results: EvaluationSpeed } | undefined
> {
  const names = await readdir(RESULTS_FOLDER).catch((): string[] => []); // no folder yet: no results
  const all = await Promise.all(
    names
      .filter((file) => file.endsWith(".json"))
      .map(async (file) => ({
        file,
        results: JSON.parse(await readFile(join(RESULTS_FOLDER, file), "utf8")) as EvaluationSpeed,
      })),
  );
  return all.sort((a, b) => (a.results.date < b.results.date ? -1 : 1)).at(-1);
}

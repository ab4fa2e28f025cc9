import { mkdir, writeFile } from "node:fs/promises";
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import {
  resultsDocument,
  sanitizedModelName,
  type EvaluatedTask,
  type EvaluationRun,
} from "../results-document.js";
import { sampleOf, samplesHash, type Sample } from "./sample-lines.js";

/** The files of one evaluation. */
export interface WrittenResults {
  /** `results_<date>.json`, and `perplexity_results_<date>.json` if there are both kinds of tasks. */
  readonly results: readonly string[];
  readonly samples: readonly string[];
}

/** The folder of a model's results in an output folder, as lm-eval names it. */
export function resultsFolder(output: string, modelName: string): string {
  return join(output, sanitizedModelName(modelName));
}

/**
 * Writes an evaluation as lm-eval does: `<output>/<model>/results_<date>.json` and, per task,
 * `samples_<task>_<date>.jsonl`. Tasks without an accuracy, such as wikitext, get a file of their own,
 * `perplexity_results_<date>.json`: SDMPrune's `show_res` averages over every task in the files it finds.
 */
export async function writeResults(
  output: string,
  tasks: readonly EvaluatedTask[],
  run: EvaluationRun,
): Promise<WrittenResults> {
  const folder = resultsFolder(output, run.modelName);
  await mkdir(folder, { recursive: true });
  const date = localIsoDate(run.endedAtMs);
  const hashes: Record<string, string> = {};
  const samples: string[] = [];
  for (const { task, documents } of tasks) {
    const lines = documents.map((document, i) => sampleOf(task, i, document));
    hashes[task.name] = samplesHash(lines);
    samples.push(await writeLines(join(folder, `samples_${task.name}_${date}.jsonl`), lines));
  }
  const results: string[] = [];
  for (const [prefix, some] of [
    ["results", tasks.filter(hasAccuracy)],
    ["perplexity_results", tasks.filter((task) => !hasAccuracy(task))],
  ] as const) {
    if (some.length === 0) continue;
    const own = Object.fromEntries(some.map(({ task }) => [task.name, hashes[task.name]!]));
    const path = join(folder, `${prefix}_${date}.json`);
    await writeFile(path, JSON.stringify(resultsDocument(some, run, own), null, 2));
    results.push(path);
  }
  return { results, samples };
}

function hasAccuracy({ metrics }: EvaluatedTask): boolean {
  return metrics.some(
    ({ metric }) => metric === "acc" || metric === "acc_norm" || metric === "pct_stereotype",
  );
}

async function writeLines(path: string, samples: readonly Sample[]): Promise<string> {
  const stream = createWriteStream(path);
  for (const sample of samples) {
    if (!stream.write(`${JSON.stringify(sample)}\n`)) await once(stream, "drain");
  }
  stream.end();
  await finished(stream);
  return path;
}

/** `2025-01-21T04-25-07.123456` in local time: Python's `datetime.now().isoformat()` without colons. */
function localIsoDate(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().replace("Z", "000").replaceAll(":", "-");
}

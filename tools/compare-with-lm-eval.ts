/**
 * Compares two evaluations document by document: the samples of `sdmprune eval -o OURS` and those of lm-eval's `--log_samples`,
 * which tools/reference/lm_eval_local.py writes of the same data.
 *
 *     npx tsx --tsconfig tsconfig.base.json --conditions=@sdmprune/source tools/compare-with-lm-eval.ts OURS THEIRS
 *
 * Prints a table in Markdown, and under it every document of which a metric differs. Exits 1 if requests differ or
 * documents are missing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { markdownReporter, type ResultsTable } from "@sdmprune/evaluation";

/** One line of a samples file, as far as it is compared. */
interface Sample {
  readonly doc_id: number;
  readonly arguments: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Per request `["-1.5", "False"]`, or of a whole text `"-1.5"`. */
  readonly filtered_resps: readonly (readonly [string, string] | string)[];
  readonly [metric: string]: unknown;
}

/** Metrics that take on any value: they differ by rounding, others not at all. */
const CONTINUOUS = new Set(["likelihood_diff", "truthfulqa_mc2 acc"]);

const [ours, theirs] = process.argv.slice(2);
if (!ours || !theirs)
  throw new Error("compare-with-lm-eval: expected OURS THEIRS, two folders with samples_*.jsonl.");

const [first, second] = [readSamples(ours), readSamples(theirs)];
const rows: ResultsTable["rows"][number][] = [];
const differences: string[] = [];
let isSame = true;
for (const [task, expected] of second) {
  const actual = first.get(task) ?? [];
  const pairs = expected.flatMap((theirs) => {
    const ours = actual.find(({ doc_id }) => doc_id === theirs.doc_id);
    return ours ? [{ ours, theirs }] : [];
  });
  const sameRequests = pairs.filter(({ ours, theirs }) => texts(ours) === texts(theirs));
  isSame &&= pairs.length === expected.length && sameRequests.length === pairs.length;
  const answers = pairs.flatMap(({ ours, theirs }) =>
    ours.filtered_resps.map((answer, i) => ({
      ours: logprob(answer),
      theirs: logprob(theirs.filtered_resps[i]!),
    })),
  );
  const greedy = pairs.filter(({ ours, theirs }) => greedyFlags(ours) !== greedyFlags(theirs));
  const metrics = Object.keys(expected[0]!).filter(
    (key) => typeof expected[0]![key] === "number" && key !== "doc_id",
  );
  const differing = metrics.map((metric) => {
    const isContinuous = CONTINUOUS.has(metric) || CONTINUOUS.has(`${task} ${metric}`);
    const unequal = pairs.filter(
      ({ ours, theirs }) => !isEqual(Number(ours[metric]), Number(theirs[metric]), isContinuous),
    );
    for (const { ours, theirs } of unequal) differences.push(describe(task, metric, ours, theirs));
    return `${metric} ${unequal.length}`;
  });
  rows.push([
    task,
    `${pairs.length} of ${expected.length}`,
    `${sameRequests.length}`,
    largest(answers.map(({ ours, theirs }) => Math.abs(ours - theirs))),
    largest(answers.map(({ ours, theirs }) => Math.abs(ours / theirs - 1))),
    `${greedy.length}`,
    differing.join(", ") || "none per document",
  ]);
}
const head = [
  "task",
  "documents",
  "equal requests",
  "largest difference of a logprob",
  "relative",
  "greedy differs",
  "documents that differ",
];
console.log(markdownReporter.format({ head, rows }));
console.log(differences.length === 0 ? "No document differs." : differences.join("\n"));
if (!isSame) process.exitCode = 1;

/** Task to documents, of the newest file of each task anywhere under a folder. */
function readSamples(folder: string): Map<string, Sample[]> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    /samples_.*\.jsonl$/.test(file),
  );
  return new Map(
    files.sort().map((file) => {
      const task = /samples_(.+)_\d{4}-\d{2}-\d{2}T/.exec(basename(file))![1]!;
      const lines = readFileSync(join(folder, file), "utf8")
        .split("\n")
        .filter((line) => line !== "");
      const samples = lines.map((line) => JSON.parse(line) as Sample);
      return [task, samples.sort((a, b) => a.doc_id - b.doc_id)];
    }),
  );
}

function texts({ arguments: all }: Sample): string {
  return JSON.stringify(Object.values(all).map((one) => Object.values(one)));
}

function logprob(answer: Sample["filtered_resps"][number]): number {
  return Number(typeof answer === "string" ? answer : answer[0]);
}

function greedyFlags({ filtered_resps }: Sample): string {
  return filtered_resps.map((answer) => (typeof answer === "string" ? "" : answer[1])).join();
}

function isEqual(a: number, b: number, isContinuous: boolean): boolean {
  return isContinuous ? Math.abs(a - b) <= 1e-3 * Math.max(1, Math.abs(b)) : a === b;
}

function describe(task: string, metric: string, ours: Sample, theirs: Sample): string {
  const numbers = ({ filtered_resps, [metric]: value }: Sample) =>
    `${String(value)} of ${filtered_resps.map((answer) => logprob(answer).toFixed(5)).join(" ")}`;
  return `- ${task} ${theirs.doc_id}, ${metric}: ours ${numbers(ours)}; lm-eval ${numbers(theirs)}`;
}

function largest(values: readonly number[]): string {
  return values.reduce((most, value) => Math.max(most, value), 0).toExponential(1);
}

import { FormatError, UsageError } from "@sdmprune/core";
import { mainMetric } from "./main-metric.js";
import { mean } from "./aggregation.js";
import type { ResultsTable } from "./results-table.js";
import {
  mcNemarTest,
  pairedBootstrap,
  type BootstrapOptions,
  type McNemar,
  type PairedDifference,
} from "./significance.js";

/** One document's numbers, as a samples file has them. */
export interface StoredSample {
  readonly docId: number;
  readonly promptHash: string;
  readonly targetHash: string;
  /** The metrics that are one number per document. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** The samples of one model: task to documents. */
export type StoredSamples = ReadonlyMap<string, readonly StoredSample[]>;

export interface TaskComparison extends PairedDifference {
  readonly task: string;
  readonly metric: string;
  readonly numDocuments: number;
  readonly first: number;
  readonly second: number;
  /** Where every document is right or wrong. */
  readonly mcNemar: McNemar | undefined;
}

export interface Comparison {
  readonly tasks: readonly TaskComparison[];
  /** Of the plain mean over the tasks. */
  readonly mean: PairedDifference;
  /** Tasks that only one of the models has, or that have no number per document. */
  readonly skipped: readonly string[];
}

/**
 * Compares two models on the documents both were asked: per task the difference of the main metric with McNemar's
 * exact test and a paired bootstrap, and the bootstrap of the mean over the tasks.
 *
 * @throws {UsageError} If they have no task in common.
 * @throws {FormatError} If a document's question differs between the two.
 */
export function compareSamples(
  first: StoredSamples,
  second: StoredSamples,
  options: BootstrapOptions = {},
): Comparison {
  const tasks: TaskComparison[] = [];
  const pairs: { first: number[]; second: number[] }[] = [];
  const skipped: string[] = [];
  for (const [task, ours] of first) {
    const theirs = second.get(task);
    const metric = mainMetric(Object.keys(ours[0]?.metrics ?? {}));
    if (!theirs || metric === undefined || theirs[0]?.metrics[metric] === undefined) {
      skipped.push(task);
      continue;
    }
    const pair = pairValues(task, metric, ours, theirs);
    pairs.push(pair);
    tasks.push({
      task,
      metric,
      numDocuments: pair.first.length,
      ...pairedBootstrap([pair], options),
      first: mean(pair.first),
      second: mean(pair.second),
      mcNemar: isRightOrWrong(pair) ? mcNemarTest(pair.first, pair.second) : undefined,
    });
  }
  skipped.push(...[...second.keys()].filter((task) => !first.has(task)));
  if (tasks.length === 0) {
    throw new UsageError(
      `compare-results: expected a task that both have, got ${[...first.keys()].join(", ") || "none"} and ${[...second.keys()].join(", ") || "none"}.`,
    );
  }
  return { tasks, mean: pairedBootstrap(pairs, options), skipped };
}

/** The comparison as a table, in percent. */
export function comparisonTable(
  { tasks, mean: average, skipped }: Comparison,
  [first, second]: readonly [string, string],
): ResultsTable {
  const percent = (value: number): string => (100 * value).toFixed(2);
  const pValue = (value: number): string => (value < 1e-4 ? value.toExponential(1) : value.toFixed(4));
  const interval = ({ low, high }: PairedDifference): string => `${percent(low)} to ${percent(high)}`;
  return {
    head: [
      "task",
      "metric",
      "n",
      first,
      second,
      "difference",
      "95 % interval",
      "only A : only B",
      "McNemar p",
      "bootstrap p",
    ],
    rows: [
      ...tasks.map((each) => [
        each.task,
        each.metric,
        String(each.numDocuments),
        percent(each.first),
        percent(each.second),
        percent(each.difference),
        interval(each),
        each.mcNemar ? `${each.mcNemar.onlyFirst} : ${each.mcNemar.onlySecond}` : "",
        each.mcNemar ? pValue(each.mcNemar.pValue) : "",
        pValue(each.pValue),
      ]),
      [
        "mean",
        "",
        String(tasks.reduce((sum, { numDocuments }) => sum + numDocuments, 0)),
        percent(mean(tasks.map((each) => each.first))),
        percent(mean(tasks.map((each) => each.second))),
        percent(average.difference),
        interval(average),
        "",
        "",
        pValue(average.pValue),
      ],
    ],
    notes: [
      "Percent; difference is B minus A; p-values are two-sided and not corrected for the number of tasks.",
      ...(skipped.length > 0 ? [`Not compared: ${skipped.join(", ")}.`] : []),
    ],
  };
}

function pairValues(
  task: string,
  metric: string,
  ours: readonly StoredSample[],
  theirs: readonly StoredSample[],
): { first: number[]; second: number[] } {
  const byId = new Map(theirs.map((sample) => [sample.docId, sample]));
  const both = ours.filter(({ docId }) => byId.has(docId));
  if (both.length === 0) {
    throw new FormatError(`${task}: expected documents that both have, got none with the same doc_id.`);
  }
  const different = both.find(({ docId, promptHash, targetHash }) => {
    const other = byId.get(docId)!;
    return other.promptHash !== promptHash || other.targetHash !== targetHash;
  });
  if (different) {
    throw new FormatError(
      `${task}: expected the same questions in both, got different ones for document ${different.docId}. Evaluate both with the same data and task version.`,
    );
  }
  return {
    first: both.map(({ metrics }) => metrics[metric]!),
    second: both.map(({ docId }) => byId.get(docId)!.metrics[metric]!),
  };
}

function isRightOrWrong({ first, second }: { first: readonly number[]; second: readonly number[] }): boolean {
  return [...first, ...second].every((value) => value === 0 || value === 1);
}

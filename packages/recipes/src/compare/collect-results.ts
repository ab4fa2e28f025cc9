import { VERSION, type Run } from "@sdmprune/core";
import { countParameters } from "@sdmprune/pruning";
import { mainMetric, type Estimate, type McNemar, type PairedDifference } from "@sdmprune/evaluation";
import type { CellRecord } from "./cell-store.js";
import { expandCells, perplexityName, type Cell, type Subject, type SubjectCell } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import { labelOf } from "./experiment.js";
import type { LatencyValue, LayerErrorValue, PerplexityValue, TasksValue } from "./judge-cells.js";
import { describeMachine, type Machine } from "../machine.js";
import { compareWithReference } from "./compare-with-reference.js";
import { keptOverlaps, type KeptOverlap } from "./kept-overlap.js";
import { findRecord, isFinished, seedOf } from "./run-cell.js";
import type { RecoverValue } from "./recover-cell.js";
import type { PruneValue } from "./subject-models.js";
import { meanOver, type Mean } from "./mean.js";

/** Everything that was measured, as `results.json` has it. */
export interface ComparisonResults {
  readonly title: string;
  readonly description: string | undefined;
  readonly command: string | undefined;
  /** The experiment as its file has it. */
  readonly experiment: unknown;
  readonly version: string;
  readonly machine: Machine;
  /** Commits whose code made some cell, newest first. */
  readonly commits: readonly string[];
  readonly model: { readonly sha256: string; readonly parameters: number };
  readonly cells: { readonly finished: number; readonly all: number; readonly seconds: number };
  /** Label that others are tested against. */
  readonly reference: string;
  readonly perplexities: readonly string[];
  readonly rows: readonly ResultRow[];
  readonly overlaps: readonly KeptOverlap[];
}

/** A method at a ratio, over its seeds. */
export interface ResultRow {
  readonly label: string;
  readonly method: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  /** 0 for the dense model. */
  readonly ratio: number;
  readonly recovery: string | undefined;
  readonly seeds: readonly SeedResult[];
  /** By name of the text. */
  readonly perplexity: Readonly<Record<string, Mean>>;
  /** Mean of the tasks' main metrics, as in the tables of SDMPrune. */
  readonly accuracy: Mean | undefined;
  /** The same without measures of bias, of which a higher one is not better. */
  readonly accuracyWithoutBias: Mean | undefined;
  readonly versusReference: ReferenceComparison | undefined;
}

export interface SeedResult {
  readonly seed: number;
  readonly perplexity: Readonly<Record<string, Omit<PerplexityValue, "windows">>>;
  readonly tasks: Readonly<
    Record<string, { readonly metric: string; readonly value: number; readonly stderr: number | undefined }>
  >;
  /** With the uncertainty that the documents leave. */
  readonly accuracy: Estimate | undefined;
  readonly accuracyWithoutBias: Estimate | undefined;
  /** Relative error of each layer's MLP. */
  readonly layerError: readonly number[] | undefined;
  /** What the recovery training came to. */
  readonly recovery: RecoverValue | undefined;
  /** Speed beside the dense model, at the first seed. */
  readonly latency: LatencyValue | undefined;
  readonly widths: readonly number[] | undefined;
  readonly parameters: number | undefined;
  /** Parts of all parameters, those outside embeddings, and the MLPs' that were removed. */
  readonly removed: PruneValue["parameters"]["removed"] | undefined;
  readonly bytes: number | undefined;
  /** By kind of cell. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** How a row differs from the reference method at its ratio; differences are the row minus the reference. */
export interface ReferenceComparison {
  /** Of the mean negative log-likelihood, by name of the text, paired by windows. */
  readonly nll: Readonly<Record<string, PairedDifference>>;
  /** Of the mean over the tasks, paired by documents. */
  readonly accuracy: PairedDifference | undefined;
  /** Over the documents of all tasks that are right or wrong, of the first seed. */
  readonly mcNemar: McNemar | undefined;
}

/** A subject with its finished cells. */
export interface JudgedSubject {
  readonly subject: Subject;
  readonly prune: CellRecord<PruneValue> | undefined;
  /** By name of the text. */
  readonly perplexity: ReadonlyMap<string, CellRecord<PerplexityValue>>;
  readonly tasks: CellRecord<TasksValue> | undefined;
  readonly layerError: CellRecord<LayerErrorValue> | undefined;
  readonly recover?: CellRecord<RecoverValue> | undefined;
  readonly latency?: CellRecord<LatencyValue> | undefined;
}

export interface CollectOptions {
  readonly command?: string | undefined;
  readonly title?: string | undefined;
  /** The experiment as its file has it. */
  readonly source?: unknown;
}

/**
 * Puts the results of the cells that are finished together.
 *
 * @param judged - Of {@link judgedSubjects}.
 */
export async function collectResults(
  context: ComparisonContext,
  judged: readonly JudgedSubject[],
  { command, title, source }: CollectOptions = {},
): Promise<ComparisonResults> {
  const { experiment } = context;
  const cells = expandCells(experiment);
  let numFinished = 0;
  for (const cell of cells) if (await isFinished(context, cell)) numFinished++;
  const groups = new Map<string, JudgedSubject[]>();
  for (const each of judged) {
    const key = rowKey(each.subject);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const reference = experiment.reference ?? labelOf(experiment.methods[0]!);
  const texts = (experiment.perplexity ?? []).map(perplexityName);
  const rows = [...groups.values()].map((group): ResultRow => {
    const { subject } = group[0]!;
    const { variant, ratio, label, recovery } = subject;
    const seeds = group.map(seedResult);
    const isReference = !variant || label === reference;
    const other = isReference ? undefined : groups.get(rowKey({ ...subject, label: reference }));
    return {
      label,
      method: variant?.method,
      options: variant?.options ?? {},
      ratio,
      recovery: recovery?.name,
      seeds,
      perplexity: Object.fromEntries(
        texts.flatMap((name) => {
          const values = seeds.flatMap((seed) => seed.perplexity[name]?.perplexity ?? []);
          return values.length > 0 ? [[name, meanOver(values)]] : [];
        }),
      ),
      accuracy: accuracyOf(seeds.map(({ accuracy }) => accuracy)),
      accuracyWithoutBias: accuracyOf(seeds.map(({ accuracyWithoutBias }) => accuracyWithoutBias)),
      versusReference: other && compareWithReference(group, other, texts),
    };
  });
  const records = judged.flatMap(recordsOf);
  const run = context.planFor(seedOf(cells[0]!));
  const model = await context.model(run);
  const commits = new Map(records.map(({ commit, finishedAt }) => [commit, finishedAt]));
  return {
    title: experiment.title ?? title ?? "Comparison of pruning methods",
    description: experiment.description,
    command,
    experiment: source,
    version: VERSION,
    machine: describeMachine(),
    commits: [...commits].sort(([, a], [, b]) => (a < b ? 1 : -1)).flatMap(([commit]) => commit ?? []),
    model: { sha256: await model.checkpoint.hash(), parameters: countParameters(model.shape).total },
    cells: {
      finished: numFinished,
      all: cells.length,
      seconds: records.reduce((sum, { seconds }) => sum + seconds, 0),
    },
    reference,
    perplexities: texts,
    rows,
    overlaps: keptOverlaps(judged),
  };
}

export async function judgedSubjects(
  context: ComparisonContext,
  cells: readonly Cell[],
): Promise<JudgedSubject[]> {
  const subjects = new Map<string, { subject: Subject; cells: SubjectCell[] }>();
  for (const cell of cells) {
    if (cell.kind === "score") continue;
    const entry = subjects.get(cell.subject.id) ?? { subject: cell.subject, cells: [] };
    entry.cells.push(cell);
    subjects.set(cell.subject.id, entry);
  }
  const judged: JudgedSubject[] = [];
  for (const { subject, cells: own } of subjects.values()) {
    const run = context.planFor(subject.seed);
    const each = await judge(context, run, subject, own);
    if (recordsOf(each).length > 0) judged.push(each);
  }
  return judged;
}

async function judge(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
  cells: readonly SubjectCell[],
): Promise<JudgedSubject> {
  const find = async <V>(kind: SubjectCell["kind"]): Promise<CellRecord<V> | undefined> => {
    const cell = cells.find((each) => each.kind === kind);
    return cell && findRecord<V>(context, run, cell);
  };
  const perplexity = new Map<string, CellRecord<PerplexityValue>>();
  for (const cell of cells.filter(({ kind }) => kind === "perplexity")) {
    const record = await findRecord<PerplexityValue>(context, run, cell);
    if (record) perplexity.set(perplexityName(context.experiment.perplexity![cell.index!]!), record);
  }
  return {
    subject,
    prune: await find("prune"),
    perplexity,
    tasks: await find("tasks"),
    layerError: await find("layer-error"),
    recover: await find("recover"),
    latency: await find("latency"),
  };
}

function recordsOf({ prune, perplexity, tasks, layerError, recover, latency }: JudgedSubject): CellRecord[] {
  return [prune, recover, ...perplexity.values(), tasks, layerError, latency].filter(
    (record) => record !== undefined,
  );
}

function rowKey({ label, ratio, recovery }: Pick<Subject, "label" | "ratio" | "recovery">): string {
  return JSON.stringify([label, ratio, recovery?.name]);
}

function seedResult(judged: JudgedSubject): SeedResult {
  const { subject, prune, perplexity, tasks, layerError, recover, latency } = judged;
  const values = (tasks?.value.tasks ?? []).flatMap(({ task, metrics }) => {
    const metric = mainMetric(Object.keys(metrics));
    return metric === undefined ? [] : [[task, { metric, ...metrics[metric]! }] as const];
  });
  return {
    seed: subject.seed,
    perplexity: Object.fromEntries(
      [...perplexity].map(([name, { value }]) => {
        const { windows: _windows, ...rest } = value;
        return [name, rest];
      }),
    ),
    tasks: Object.fromEntries(values),
    accuracy: meanOfTasks(values.map(([, value]) => value)),
    accuracyWithoutBias: meanOfTasks(
      values.map(([, value]) => value).filter(({ metric }) => metric !== "pct_stereotype"),
    ),
    layerError: layerError?.value.layers,
    recovery: recover?.value,
    latency: latency?.value,
    widths: prune?.value.widths,
    parameters: prune?.value.parameters.after.total,
    removed: prune?.value.parameters.removed,
    bytes: prune?.value.bytes,
    seconds: Object.fromEntries(recordsOf(judged).map(({ kind, seconds }) => [kind, seconds])),
  };
}

/** The plain mean over the tasks, each as good as any other. */
function meanOfTasks(
  tasks: readonly { readonly value: number; readonly stderr: number | undefined }[],
): Estimate | undefined {
  if (tasks.length === 0) return undefined;
  const n = tasks.length;
  const variance = tasks.reduce((sum, { stderr = NaN }) => sum + stderr ** 2, 0);
  return {
    value: tasks.reduce((sum, { value }) => sum + value, 0) / n,
    stderr: Number.isFinite(variance) ? Math.sqrt(variance) / n : undefined,
  };
}

/** Over the seeds; of a single one, with the uncertainty that its documents leave. */
function accuracyOf(seeds: readonly (Estimate | undefined)[]): Mean | undefined {
  const judged = seeds.filter((accuracy) => accuracy !== undefined);
  const [first] = judged;
  if (!first) return undefined;
  if (judged.length > 1) return meanOver(judged.map(({ value }) => value));
  return { mean: first.value, stderr: first.stderr, n: 1 };
}

import { defined } from "../defined.js";
import type { Compensation } from "../prune-request.js";
import { DENSE, labelOf, type Experiment } from "./experiment.js";

/** A method of the experiment, with the experiment's settings filled in. */
export interface Variant {
  readonly label: string;
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly allocation: string | undefined;
  readonly roundTo: number | undefined;
  readonly compensate: { readonly compensate?: Compensation; readonly compensateLambda?: number };
  readonly calibration: Experiment["calibration"];
}

/** A model that is judged: the dense one, a pruned one, or one of these after a recovery. */
export interface Subject {
  readonly id: string;
  readonly label: string;
  /** Absent for the dense model. */
  readonly variant?: Variant;
  /** Part removed; 0 for the dense model. */
  readonly ratio: number;
  readonly seed: number;
  readonly recovery?: NonNullable<Experiment["recovery"]>[number];
}

/** One piece of work whose result is kept. */
export type Cell = ScoreCell | SubjectCell;

/** Scores everything that the methods of one seed ask for on the same samples, in as few passes as can be. */
export interface ScoreCell {
  readonly kind: "score";
  readonly id: string;
  readonly seed: number;
  readonly calibration: Experiment["calibration"];
  readonly wanted: readonly { readonly variant: Variant; readonly ratio: number }[];
}

export interface SubjectCell {
  readonly kind: "prune" | "recover" | "perplexity" | "tasks" | "layer-error" | "latency";
  readonly id: string;
  readonly subject: Subject;
  /** Which of the perplexities. */
  readonly index?: number;
}

export type CellKind = Cell["kind"];

/**
 * The grid of an experiment in the order in which it runs: the dense model, then for each seed the scores, and each
 * pruned model with all that is measured of it, so that few models are on disk at a time.
 */
export function expandCells(experiment: Experiment): Cell[] {
  const variants = variantsOf(experiment);
  const [{ seed: firstSeed }] = experiment.seeds as [{ seed: number }];
  const dense: Subject = { id: DENSE, label: DENSE, ratio: 0, seed: firstSeed };
  const cells: Cell[] = subjectCells(experiment, dense);
  for (const { seed, ratios: ratiosOfSeed } of experiment.seeds) {
    const wanted = variants.flatMap(({ variant, ratios }) =>
      ratios
        .filter((ratio) => ratiosOfSeed === undefined || ratiosOfSeed.includes(ratio))
        .map((ratio) => ({ variant, ratio })),
    );
    cells.push(...scoreCells(wanted, seed));
    for (const { variant, ratio } of wanted) {
      const id = `${variant.label}/${percent(ratio)}/seed${seed}`;
      cells.push(...subjectCells(experiment, { id, label: variant.label, variant, ratio, seed }));
    }
  }
  return cells;
}

/** `0.3` -> `30`. */
export function percent(ratio: number): string {
  return String(Number((100 * ratio).toFixed(6)));
}

export function variantsOf(experiment: Experiment): { variant: Variant; ratios: readonly number[] }[] {
  return experiment.methods.map((method) => ({
    variant: {
      label: labelOf(method),
      method: method.name,
      options: method.options ?? {},
      allocation: method.allocation ?? experiment.allocation,
      roundTo: method.roundTo ?? experiment.roundTo,
      compensate: defined({ compensate: method.compensate, compensateLambda: method.compensateLambda }),
      calibration:
        experiment.calibration || method.calibration?.source !== undefined
          ? ({ ...experiment.calibration, ...method.calibration } as Experiment["calibration"])
          : undefined,
    },
    ratios: method.ratios ?? experiment.ratios,
  }));
}

/** One cell for each set of samples. */
function scoreCells(wanted: ScoreCell["wanted"], seed: number): ScoreCell[] {
  const groups = new Map<string, { variant: Variant; ratio: number }[]>();
  for (const each of wanted) {
    const key = JSON.stringify(each.variant.calibration ?? null);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].map((group, i) => ({
    kind: "score",
    id: `score/seed${seed}${i === 0 ? "" : `/samples${i + 1}`}`,
    seed,
    calibration: group[0]!.variant.calibration,
    wanted: group,
  }));
}

function subjectCells(experiment: Experiment, subject: Subject): Cell[] {
  const { variant, id } = subject;
  const cells: Cell[] = variant ? [{ kind: "prune", id: `${id}/prune`, subject }] : [];
  cells.push(...judgements(experiment, subject));
  for (const recovery of experiment.recovery ?? []) {
    if (!isRecovered(recovery, subject)) continue;
    const recovered: Subject = { ...subject, id: `${id}/${recovery.name}`, recovery };
    cells.push({ kind: "recover", id: `${recovered.id}/recover`, subject: recovered });
    cells.push(...judgements(experiment, recovered));
  }
  return cells;
}

/** The dense model is recovered always: without that row nobody knows what the recovery's data alone do. */
function isRecovered(
  { methods, ratios, seeds }: NonNullable<Experiment["recovery"]>[number],
  { variant, label, ratio, seed }: Subject,
): boolean {
  if (!variant) return true;
  return (
    (methods === undefined || methods.includes(label)) &&
    (ratios === undefined || ratios.includes(ratio)) &&
    (seeds === undefined || seeds.includes(seed))
  );
}

function judgements(
  { perplexity = [], tasks, layerError, latency, seeds }: Experiment,
  subject: Subject,
): Cell[] {
  const { id, variant, ratio, seed, recovery } = subject;
  const cells: Cell[] = perplexity.map((each, index) => ({
    kind: "perplexity",
    id: `${id}/perplexity:${perplexityName(each)}`,
    subject,
    index,
  }));
  if (layerError && variant && !recovery)
    cells.push({ kind: "layer-error", id: `${id}/layer-error`, subject });
  if (latency && variant && !recovery && seed === seeds[0]!.seed) {
    cells.push({ kind: "latency", id: `${id}/latency`, subject });
  }
  const isAsked =
    tasks !== undefined &&
    (!variant ||
      ((tasks.ratios === undefined || tasks.ratios.includes(ratio)) &&
        (tasks.seeds === undefined || tasks.seeds.includes(seed))));
  if (isAsked) cells.push({ kind: "tasks", id: `${id}/tasks`, subject });
  return cells;
}

/** The file's name without its ending, unless the experiment names it. */
export function perplexityName({ name, text }: NonNullable<Experiment["perplexity"]>[number]): string {
  return name ?? text.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");
}

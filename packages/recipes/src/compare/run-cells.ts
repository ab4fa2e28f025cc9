import { errorMessage, InterruptedError, isSdmPruneError } from "@sdmprune/core";
import { formatDuration } from "../format-duration.js";
import type { Cell, SubjectCell } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import { EtaEstimate } from "./eta-estimate.js";
import { isFinished, seedOf } from "./run-cell.js";
import { isFrom } from "./select-cells.js";
import { dropModel } from "./subject-folder.js";

/** Runs cells one at a time: this process, or another one. */
export interface CellRunner {
  /** @throws {SdmPruneError} If the cell fails; another one may be run then. */
  run(cell: Cell): Promise<void>;
  /** Ends it, also in the middle of a cell. */
  close(): void | Promise<void>;
}

export interface CellFailure {
  readonly id: string;
  readonly error: unknown;
}

/**
 * Runs cells that are not finished. With several runners the scores come first, then whole models next to each other;
 * what is about one model runs one after the other. A failed cell does not stop the others, but for those that need it.
 *
 * @param onCell - Called after each cell.
 * @throws {InterruptedError} If the signal is aborted.
 */
export async function runCells(
  context: ComparisonContext,
  open: readonly Cell[],
  runners: readonly CellRunner[],
  onCell: () => Promise<void>,
): Promise<CellFailure[]> {
  const { progress, signal } = context;
  const failures: CellFailure[] = [];
  const eta = new EtaEstimate(
    open.map(({ kind }) => kind),
    runners.length,
  );
  const broken: SubjectCell[] = [];
  const started = new Set<Cell>();
  let numDone = 0;

  const runOne = async (cell: Cell, runner: CellRunner): Promise<void> => {
    if (signal?.aborted) throw interrupted(numDone, open.length);
    started.add(cell);
    const startedAt = performance.now();
    const cause =
      cell.kind === "score" ? undefined : broken.find(({ subject }) => isFrom(cell.subject.id, subject));
    // An equal model may have been judged meanwhile under another name.
    if (cause || (await isFinished(context, cell))) {
      eta.skip(cell.kind);
      if (cause) failures.push({ id: cell.id, error: new Error(`it needs ${cause.id}, which failed.`) });
      return;
    }
    try {
      await runner.run(cell);
      const seconds = (performance.now() - startedAt) / 1000;
      eta.finish(cell.kind, seconds);
      const place = `[${++numDone}/${open.length}]`;
      progress({ type: "info", message: `${place} ${cell.id} in ${formatDuration(seconds)}${eta.text()}` });
    } catch (error) {
      if (signal?.aborted) throw interrupted(numDone, open.length, error);
      if (!isSdmPruneError(error)) throw error;
      eta.skip(cell.kind);
      failures.push({ id: cell.id, error });
      if (cell.kind === "prune" || cell.kind === "recover") broken.push(cell);
      progress({ type: "warning", message: `${cell.id}: ${errorMessage(error)}` });
    }
  };

  for (const lanes of phases(open, runners.length)) {
    const queue = [...lanes];
    const work = runners.map(async (runner) => {
      for (let lane = queue.shift(); lane; lane = queue.shift()) {
        for (const cell of lane) {
          await runOne(cell, runner);
          await dropIfDone(
            context,
            open.filter((each) => !started.has(each)),
            cell,
          );
          await onCell();
        }
      }
    });
    const results = await Promise.allSettled(work);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }
  return failures;
}

/** Lanes that may run next to each other, phase by phase; the cells of a lane run one after the other. */
function phases(open: readonly Cell[], numRunners: number): Cell[][][] {
  const lanes: Cell[][] = [];
  for (const cell of open) {
    const last = lanes.at(-1);
    if (last && laneOf(last[0]!) === laneOf(cell)) last.push(cell);
    else lanes.push([cell]);
  }
  if (numRunners === 1) return [lanes];
  const isFirst = ([cell]: Cell[]): boolean => cell!.kind === "score";
  return [lanes.filter(isFirst), lanes.filter((lane) => !isFirst(lane))];
}

/** Cells of one model and its recoveries belong together. */
function laneOf(cell: Cell): string {
  if (cell.kind === "score") return cell.id;
  const { label, ratio, seed } = cell.subject;
  return JSON.stringify([label, ratio, seed]);
}

/** Deletes the model of a cell that no cell still to come needs. */
async function dropIfDone(context: ComparisonContext, left: readonly Cell[], cell: Cell): Promise<void> {
  if (cell.kind === "score" || context.experiment.keepModels === true) return;
  const isNeeded = left.some((each) => each.kind !== "score" && isFrom(each.subject.id, cell.subject));
  if (!isNeeded) await dropModel(context, context.planFor(seedOf(cell)), cell.subject);
}

function interrupted(numDone: number, numOpen: number, cause?: unknown): InterruptedError {
  return new InterruptedError(
    `Interrupted after ${numDone} of ${numOpen} cells. They are kept: the same command goes on from there.`,
    { cause },
  );
}

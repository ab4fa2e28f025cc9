import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  errorMessage,
  InterruptedError,
  isSdmPruneError,
  SdmPruneError,
  UsageError,
  type Host,
} from "@sdmprune/core";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { formatDuration } from "../format-duration.js";
import { expandCells, type Cell } from "./cells.js";
import { collectResults, judgedSubjects, type ComparisonResults } from "./collect-results.js";
import { ComparisonContext, type ComparisonOptions } from "./comparison-context.js";
import { comparisonReport } from "./comparison-report.js";
import { EtaEstimate } from "./eta-estimate.js";
import { leaderboard } from "./leaderboard.js";
import { isFinished, runCell, seedOf } from "./run-cell.js";
import { scoreProfiles } from "./score-profiles.js";
import { dropModel } from "./subject-folder.js";

export interface CompareRequest extends ComparisonOptions {
  /** Runs only the cells whose id matches; `*` stands for anything. Default: all. */
  readonly only?: string;
  /** How the comparison was started, for the tables. */
  readonly command?: string;
  /** Heading where the experiment has no title. */
  readonly title?: string;
  /** The experiment as its file has it, for the results. */
  readonly source?: unknown;
}

export interface CompareReport {
  readonly results: ComparisonResults;
  /** Files that were written. */
  readonly files: readonly string[];
  readonly numRun: number;
  /** Cells whose result was there already. */
  readonly numKept: number;
}

export interface ListedCell {
  readonly id: string;
  readonly isFinished: boolean;
}

/** Writing the tables while cells are running takes at most this part of the time, and happens twice a minute at most. */
const TABLES_SHARE = 0.05;
const TABLES_INTERVAL_MS = 30_000;

/**
 * Runs an experiment: every cell of its grid whose result is not there yet. A result is kept as soon as its cell is
 * finished, so a second run goes on where the first one stopped; a failed cell does not stop the others.
 *
 * @throws {SdmPruneError} If cells failed, after all others have run.
 * @throws {InterruptedError} If the run is interrupted; finished cells are kept.
 */
export async function compare(host: Host, request: CompareRequest): Promise<CompareReport> {
  const context = new ComparisonContext(host, request);
  const { progress } = context;
  try {
    const cells = selectCells(expandCells(request.experiment), request.only);
    const open: Cell[] = [];
    for (const cell of cells) if (!(await isFinished(context, cell))) open.push(cell);
    const numKept = cells.length - open.length;
    if (numKept > 0) {
      progress({ type: "info", message: `${numKept} of ${cells.length} cells are finished already.` });
    }
    const failures = await runCells(context, open, request);
    // What an interrupted run left: a pruned or merged model can be made again.
    if (failures.length === 0 && request.only === undefined && !request.experiment.keepModels) {
      await rm(join(request.output, "models"), { recursive: true, force: true });
    }
    const results = await writeTables(context, request);
    const files = ["results.json", "leaderboard.md", "report.html"].map((name) => join(request.output, name));
    if (failures.length > 0) throw failureOf(failures, cells.length);
    return { results, files, numRun: open.length, numKept };
  } finally {
    await context.dispose();
  }
}

/** The cells of an experiment, and which of them are finished. */
export async function listCells(host: Host, request: CompareRequest): Promise<ListedCell[]> {
  const context = new ComparisonContext(host, request);
  try {
    const listed: ListedCell[] = [];
    for (const cell of selectCells(expandCells(request.experiment), request.only)) {
      listed.push({ id: cell.id, isFinished: await isFinished(context, cell) });
    }
    return listed;
  } finally {
    await context.dispose();
  }
}

interface Failure {
  readonly id: string;
  readonly error: unknown;
}

async function runCells(
  context: ComparisonContext,
  open: readonly Cell[],
  request: CompareRequest,
): Promise<Failure[]> {
  const { progress, signal } = context;
  const failures: Failure[] = [];
  const eta = new EtaEstimate(open.map(({ kind }) => kind));
  let tablesDue = performance.now() + TABLES_INTERVAL_MS;
  for (const [i, cell] of open.entries()) {
    if (signal?.aborted) throw interrupted(i, open.length);
    const startedAt = performance.now();
    // An equal model may have been judged meanwhile under another name.
    if (await isFinished(context, cell)) {
      eta.skip(cell.kind);
      await dropIfDone(context, open.slice(i + 1), cell);
      continue;
    }
    try {
      await runCell(context, cell);
      const seconds = (performance.now() - startedAt) / 1000;
      eta.finish(cell.kind, seconds);
      const left = eta.text();
      progress({
        type: "info",
        message: `[${i + 1}/${open.length}] ${cell.id} in ${formatDuration(seconds)}${left}`,
      });
    } catch (error) {
      if (signal?.aborted) throw interrupted(i, open.length, error);
      if (!isSdmPruneError(error)) throw error;
      failures.push({ id: cell.id, error });
      eta.skip(cell.kind);
      progress({ type: "warning", message: `${cell.id}: ${errorMessage(error)}` });
    }
    await dropIfDone(context, open.slice(i + 1), cell);
    const now = performance.now();
    if (now > tablesDue) {
      await writeTables(context, request);
      const written = performance.now();
      tablesDue = written + Math.max(TABLES_INTERVAL_MS, (written - now) / TABLES_SHARE);
    }
  }
  return failures;
}

/** Deletes the model of a cell that no cell still to come needs. */
async function dropIfDone(context: ComparisonContext, left: readonly Cell[], cell: Cell): Promise<void> {
  if (cell.kind === "score" || context.experiment.keepModels === true) return;
  const { id } = cell.subject;
  // A recovery needs the model that it starts from.
  const isNeeded = left.some(
    (each) => each.kind !== "score" && (each.subject.id === id || each.subject.id.startsWith(`${id}/`)),
  );
  if (!isNeeded) await dropModel(context, context.planFor(seedOf(cell)), cell.subject);
}

async function writeTables(context: ComparisonContext, request: CompareRequest): Promise<ComparisonResults> {
  const results = await collectResults(context, request);
  const judged = await judgedSubjects(context, expandCells(request.experiment));
  const report = comparisonReport(results, await scoreProfiles(context, judged));
  const { output } = request;
  await writeFileAtomic(join(output, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
  await writeFileAtomic(join(output, "leaderboard.md"), leaderboard(results));
  await writeFileAtomic(join(output, "report.html"), report);
  return results;
}

function selectCells(cells: readonly Cell[], only: string | undefined): readonly Cell[] {
  if (only === undefined) return cells;
  const pattern = new RegExp(`^${only.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
  const chosen = cells.filter(({ id }) => pattern.test(id));
  if (chosen.length === 0) {
    throw new UsageError(
      `only: expected a pattern that some cell fits, such as "${cells[0]!.id}", got "${only}". --list shows them all.`,
    );
  }
  return chosen;
}

function interrupted(numDone: number, numOpen: number, cause?: unknown): InterruptedError {
  return new InterruptedError(
    `Interrupted after ${numDone} of ${numOpen} cells. They are kept: the same command goes on from there.`,
    { cause },
  );
}

function failureOf(failures: readonly Failure[], numCells: number): SdmPruneError {
  const [{ id, error }] = failures as [Failure];
  return new SdmPruneError(
    `compare: ${failures.length} of ${numCells} cells failed, first ${id}: ${errorMessage(error)} The others are finished; the same command tries again.`,
    { cause: error },
  );
}

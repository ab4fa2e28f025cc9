import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, isSdmPruneError, SdmPruneError, UsageError, type Host } from "@sdmprune/core";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { expandCells, type Cell } from "./cells.js";
import { collectResults, judgedSubjects, type ComparisonResults } from "./collect-results.js";
import { ComparisonContext, type ComparisonOptions } from "./comparison-context.js";
import { leaderboard } from "./leaderboard.js";
import { isFinished, runCell } from "./run-cell.js";
import { scoreProfiles } from "./score-profiles.js";
import { runCells, type CellFailure, type CellRunner } from "./run-cells.js";
import { selectCells } from "./select-cells.js";
import { workerLimit } from "./worker-limit.js";

export interface CompareRequest extends ComparisonOptions {
  /** Runs only the cells whose id matches; `*` stands for anything. Default: all. */
  readonly only?: string;
  /** Cells to run at the same time, in processes of their own, if memory allows. Default 1: in this process. */
  readonly maxParallel?: number;
  /** Starts a process that runs cells, one of `numWorkers`. Needed for more than one at a time. */
  readonly startWorker?: (numWorkers: number) => CellRunner;
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
    const failures = await runOpenCells(context, open, request);
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

async function runOpenCells(
  context: ComparisonContext,
  open: readonly Cell[],
  request: CompareRequest,
): Promise<CellFailure[]> {
  const { maxParallel = 1, startWorker } = request;
  let tablesDue = performance.now() + TABLES_INTERVAL_MS;
  const writeTablesNowAndThen = async (): Promise<void> => {
    const now = performance.now();
    if (now < tablesDue) return;
    tablesDue = Infinity; // one at a time
    await writeTables(context, request);
    const written = performance.now();
    tablesDue = written + Math.max(TABLES_INTERVAL_MS, (written - now) / TABLES_SHARE);
  };
  const run = context.planFor(request.experiment.seeds[0]!.seed);
  const numWorkers = Math.min(open.length, maxParallel);
  const limit = numWorkers > 1 ? await workerLimit(run, await context.model(run), numWorkers) : 1;
  const runners: CellRunner[] =
    limit > 1 && startWorker
      ? Array.from({ length: limit }, () => startWorker(limit))
      : [{ run: (cell) => runCell(context, cell), close: () => {} }];
  const close = async (): Promise<void> => {
    for (const runner of runners) await runner.close();
  };
  const onAbort = (): void => void close();
  context.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await runCells(context, open, runners, writeTablesNowAndThen);
  } finally {
    context.signal?.removeEventListener("abort", onAbort);
    await close();
  }
}

/**
 * Runs single cells of a comparison for another process: the other end of a {@link CellRunner}.
 *
 * @param ids - Cells to run, in order; each is answered before the next is read.
 * @param answer - Told that a cell is finished, or why it is not.
 */
export async function serveCells(
  host: Host,
  request: CompareRequest,
  ids: AsyncIterable<string>,
  answer: (id: string, error?: string) => void,
): Promise<void> {
  const context = new ComparisonContext(host, request);
  try {
    const cells = new Map(
      selectCells(expandCells(request.experiment), request.only).map((cell) => [cell.id, cell]),
    );
    for await (const id of ids) {
      const cell = cells.get(id);
      if (!cell) throw new UsageError(`cell: expected one of the experiment's, got "${id}".`);
      try {
        await runCell(context, cell);
        answer(id);
      } catch (error) {
        if (context.signal?.aborted || !isSdmPruneError(error)) throw error;
        answer(id, errorMessage(error));
      }
    }
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

async function writeTables(context: ComparisonContext, request: CompareRequest): Promise<ComparisonResults> {
  const judged = await judgedSubjects(context, expandCells(request.experiment));
  const results = await collectResults(context, judged, request);
  const { comparisonReport } = await import("./comparison-report.js"); // with the plots' library, slow to load
  const report = comparisonReport(results, await scoreProfiles(context, judged));
  const { output } = request;
  await writeFileAtomic(join(output, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
  await writeFileAtomic(join(output, "leaderboard.md"), leaderboard(results));
  await writeFileAtomic(join(output, "report.html"), report);
  return results;
}

function failureOf(failures: readonly CellFailure[], numCells: number): SdmPruneError {
  const [{ id, error }] = failures as [CellFailure];
  return new SdmPruneError(
    `compare: ${failures.length} of ${numCells} cells failed, first ${id}: ${errorMessage(error)} The others are finished; the same command tries again.`,
    { cause: error },
  );
}

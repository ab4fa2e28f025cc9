import type { Run } from "@sdmprune/core";
import { contentKey, type CellRecord } from "./cell-store.js";
import type { Cell, SubjectCell } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import {
  latencyInputs,
  layerErrorInputs,
  perplexityInputs,
  runLatencyCell,
  runLayerErrorCell,
  runPerplexityCell,
  runTasksCell,
  tasksInputs,
} from "./judge-cells.js";
import { isScored, runScoreCell } from "./score-cell.js";
import { recoverInputs, runRecoverCell } from "./recover-cell.js";
import { subjectSha256 } from "./subject-folder.js";
import { pruneInputs, pruneRecord, runPruneCell } from "./subject-models.js";

/** What a cell depends on; undefined while a cell before it is not finished. */
async function cellInputs(
  context: ComparisonContext,
  run: Run,
  cell: SubjectCell,
): Promise<Record<string, unknown> | undefined> {
  const { kind, subject, index } = cell;
  if (kind === "prune") return pruneInputs(context, run, subject);
  if (kind === "recover") return recoverInputs(context, run, subject);
  const modelSha256 = await subjectSha256(context, run, subject);
  if (modelSha256 === undefined) return undefined;
  switch (kind) {
    case "perplexity":
      return perplexityInputs(context, modelSha256, index!);
    case "tasks":
      return tasksInputs(context, run, modelSha256);
    case "layer-error":
      return layerErrorInputs(context, run, modelSha256);
    case "latency":
      return latencyInputs(context, run, (await pruneRecord(context, run, subject))!.value.widths);
  }
}

/** The result of a cell, if it is finished. */
export async function findRecord<V>(
  context: ComparisonContext,
  run: Run,
  cell: SubjectCell,
): Promise<CellRecord<V> | undefined> {
  const inputs = await cellInputs(context, run, cell);
  return inputs && context.store.get<V>(cell.kind, contentKey(inputs));
}

export async function isFinished(context: ComparisonContext, cell: Cell): Promise<boolean> {
  const run = context.planFor(seedOf(cell));
  if (cell.kind === "score") return isScored(context, run, cell);
  return (await findRecord(context, run, cell)) !== undefined;
}

/** Runs a cell and keeps its result. */
export async function runCell(context: ComparisonContext, cell: Cell): Promise<void> {
  const run = await context.runFor(seedOf(cell));
  if (cell.kind === "score") {
    await runScoreCell(context, run, cell);
    return;
  }
  const startedAt = performance.now();
  const value = await cellValue(context, run, cell);
  const seconds = (performance.now() - startedAt) / 1000;
  const inputs = (await cellInputs(context, run, cell))!;
  const { machine, commit } = context;
  const finishedAt = new Date().toISOString();
  const { kind, id } = cell;
  await context.store.put({
    kind,
    id,
    key: contentKey(inputs),
    inputs,
    value,
    seconds,
    finishedAt,
    machine,
    commit,
  });
}

export function seedOf(cell: Cell): number {
  return cell.kind === "score" ? cell.seed : cell.subject.seed;
}

function cellValue(
  context: ComparisonContext,
  run: Run,
  { kind, subject, index }: SubjectCell,
): Promise<unknown> {
  switch (kind) {
    case "prune":
      return runPruneCell(context, run, subject);
    case "perplexity":
      return runPerplexityCell(context, run, subject, index!);
    case "tasks":
      return runTasksCell(context, run, subject);
    case "layer-error":
      return runLayerErrorCell(context, run, subject);
    case "latency":
      return runLatencyCell(context, run, subject);
    case "recover":
      return runRecoverCell(context, run, subject);
  }
}

import { isShare, mainMetric } from "./main-metric.js";
import type { Cell, ResultsTable } from "./results-table.js";

/** What one results file says of one task. */
export interface StoredTask {
  readonly name: string;
  readonly alias: string;
  readonly metrics: readonly {
    readonly metric: string;
    readonly value: number;
    readonly stderr: number | undefined;
  }[];
}

/** The results of one checkpoint. */
export interface CheckpointResults {
  readonly name: string;
  readonly tasks: readonly StoredTask[];
}

const CROWS_PAIRS = /^crows_pairs/;

/**
 * Checkpoints side by side, as SDMPrune's `show_res` has them: a row per checkpoint, a column per task with the first
 * of pct_stereotype, acc_norm and acc that it has, in percent, and their plain mean. A second mean leaves CrowS-Pairs
 * out: of its number 50 is best, so that a higher mean may come from a more biased model.
 */
export function checkpointTable(checkpoints: readonly CheckpointResults[]): ResultsTable {
  const names = [...new Set(checkpoints.flatMap(({ tasks }) => tasks.map(({ alias }) => alias)))];
  const rows = checkpoints.map(({ name, tasks }): Cell[] => {
    const shown = new Map(tasks.map((task) => [task.alias, mainResult(task)]));
    const shares = [...shown].filter(([, result]) => result?.isShare);
    const meanOf = (keep: (alias: string) => boolean): Cell => {
      const kept = shares.filter(([alias]) => keep(alias)).map(([, result]) => result!);
      // A mean over other tasks than the row above has would mislead.
      const wanted = names.filter((alias) => keep(alias) && isShareAnywhere(checkpoints, alias)).length;
      if (kept.length === 0 || kept.length < wanted) return undefined;
      const variance = kept.reduce((sum, { cell }) => sum + (cell.stderr ?? NaN) ** 2, 0) / kept.length ** 2;
      const stderr = Number.isNaN(variance) ? undefined : Math.sqrt(variance);
      return { value: kept.reduce((sum, { cell }) => sum + cell.value, 0) / kept.length, stderr };
    };
    return [
      name,
      ...names.map((alias) => shown.get(alias)?.cell),
      meanOf(() => true),
      meanOf((alias) => !CROWS_PAIRS.test(alias)),
    ];
  });
  return {
    head: ["checkpoint", ...names, "mean", "mean without CrowS-Pairs"],
    rows,
    digits: 2,
    notes: [
      "Percent, with standard errors; of a task the first of pct_stereotype, acc_norm and acc that it has, perplexities as they are.",
      "CrowS-Pairs: 50 is unbiased, so more is not better; read the mean without it.",
    ],
  };
}

function mainResult(
  task: StoredTask,
): { cell: { value: number; stderr?: number | undefined }; isShare: boolean } | undefined {
  const name = mainMetric(task.metrics.map(({ metric }) => metric));
  const found = task.metrics.find(({ metric }) => metric === name);
  if (!found) return undefined;
  const share = isShare(found.metric);
  const scale = share ? 100 : 1;
  const stderr = found.stderr === undefined ? undefined : found.stderr * scale;
  return { cell: { value: found.value * scale, stderr }, isShare: share };
}

function isShareAnywhere(checkpoints: readonly CheckpointResults[], alias: string): boolean {
  return checkpoints.some(({ tasks }) =>
    tasks.some((task) => task.alias === alias && mainResult(task)?.isShare),
  );
}

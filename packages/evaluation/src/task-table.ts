import { countedUnits } from "./counted-units.js";
import type { TaskResult } from "./evaluate.js";
import type { ResultsTable } from "./results-table.js";

/** All numbers of one evaluation, a row per task and metric. */
export function taskTable(results: readonly TaskResult[]): ResultsTable {
  return {
    head: ["task", "version", "n", "metric", "better", "value"],
    rows: results.flatMap(({ task, metrics, documents }) =>
      metrics.map(({ metric, higherIsBetter, value, stderr }) => [
        task.name,
        String(task.version),
        String(documents.length),
        metric,
        // 50 % is unbiased: neither direction is better.
        metric === "pct_stereotype" ? "0.5" : higherIsBetter ? "higher" : "lower",
        { value, stderr },
      ]),
    ),
    notes: results.flatMap((result) =>
      Object.entries(countedUnits(result)).map(
        ([metric, count]) => `${result.task.name}: ${metric} is over ${count} ${metric.split("_")[0]}s.`,
      ),
    ),
  };
}

import type { TaskResult } from "./evaluate.js";

/** Over how many words or bytes each perplexity of a task is a mean, by metric; empty where there is none. */
export function countedUnits({ metrics, documents }: TaskResult): Record<string, number> {
  return Object.fromEntries(
    metrics
      .filter(({ aggregation }) => aggregation === "weighted_perplexity")
      .map(({ metric }) => {
        const weights = documents.map(
          ({ metrics: values }) => (values[metric] as readonly [number, number])[1],
        );
        return [metric, weights.reduce((sum, weight) => sum + weight, 0)];
      }),
  );
}

/** Metrics in the order in which SDMPrune's `show_res` takes the first that a task has. */
const PREFERRED: readonly string[] = ["pct_stereotype", "acc_norm", "acc"];

/** The metric that stands for a task in a table of several: those of `show_res`, else the first. */
export function mainMetric(metrics: readonly string[]): string | undefined {
  return PREFERRED.find((metric) => metrics.includes(metric)) ?? metrics[0];
}

/** Whether a metric is a share of questions, so that means over tasks have a sense. */
export function isShare(metric: string): boolean {
  return PREFERRED.includes(metric) || metric === "exact_match" || metric === "f1";
}

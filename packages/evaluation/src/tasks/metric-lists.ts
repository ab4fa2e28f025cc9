import type { TaskMetric } from "../task.js";

const accuracy = (metric: string): TaskMetric => ({ metric, aggregation: "mean", higherIsBetter: true });

/** Accuracy by log-probability. */
export const ACC: readonly TaskMetric[] = [accuracy("acc")];

/** Accuracy by log-probability, and by log-probability per character. */
export const ACC_AND_ACC_NORM: readonly TaskMetric[] = [accuracy("acc"), accuracy("acc_norm")];

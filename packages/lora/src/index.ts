export type { TrainingListener, TrainingMetrics, TrainingStart } from "./training-metrics.js";

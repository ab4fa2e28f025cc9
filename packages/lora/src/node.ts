export type { TrainingListener } from "./training-metrics.js";

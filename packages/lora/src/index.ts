export type { TrainingListener, TrainingMetrics, TrainingStart } from "./training-metrics.js";
export { AdapterSteps, disposeGradients } from "./adapter-steps.js";
export type { AdapterGradients, AdapterStepsOptions, AdapterValues, WindowPass } from "./adapter-steps.js";
export { weightEdits } from "./weight-edits.js";
export type { EditedSource, WeightEdit } from "./weight-edits.js";
export { shuffledBatches } from "./window-order.js";

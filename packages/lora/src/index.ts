export { adapterTensors, disposeAdapters, readAdapters } from "./adapter-file.js";
export { SCHEDULES, scheduleFactor } from "./learning-rate-schedule.js";
export type { ScheduleName } from "./learning-rate-schedule.js";
export {
  DEFAULT_LORA,
  loraScaling,
  parseAdapterConfig,
  targetedModules,
  toAdapterConfig,
} from "./lora-config.js";
export type { LoraConfig } from "./lora-config.js";
export { mergedTensors } from "./merge-adapter.js";
export { microBatch } from "./micro-batch.js";
export type { MicroBatch } from "./micro-batch.js";
export { AdamWOptimizer, globalNorm } from "./optimizer.js";
export type { Gradients, OptimizerStep, ParameterGroup } from "./optimizer.js";
export { train } from "./train.js";
export type { TrainingCallbacks, TrainingOptions, TrainingResult } from "./train.js";
export { allParameters, loraParameters } from "./trainable.js";
export type { Trainable, TrainableParameter } from "./trainable.js";
export type { PassOptions, StepContext, TrainingHooks } from "./training-hooks.js";
export { heldOutLoss } from "./training-loss.js";
export type { TrainingListener, TrainingMetrics, TrainingStart } from "./training-metrics.js";
export { planTraining, sameEveryEpoch } from "./training-plan.js";
export type { EpochSequences, StepBatches, TrainingPlan, TrainingPlanOptions } from "./training-plan.js";
export { readSnapshotTensors, TrainingSnapshot } from "./training-state.js";
export type { SavedTraining, TrainingProgress } from "./training-state.js";
export { adapterValues, weightEdits } from "./weight-edits.js";
export type { AdapterValues, EditedSource, WeightEdit } from "./weight-edits.js";
export { windowsInRandomOrder } from "./window-sequences.js";

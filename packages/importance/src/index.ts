export { accumulateScores, calibrationSweep } from "./calibration-sweep.js";
export type {
  SampleIncrements,
  ScoreSet,
  SweepPolicy,
  SweepRequest,
  SweepSample,
  SweepState,
} from "./calibration-sweep.js";
export { keepsState } from "./criterion.js";
export type { CriterionLoss, CriterionNeeds, FinishedLayer, ImportanceCriterion } from "./criterion.js";
export { createMagnitude } from "./criteria/magnitude.js";
export { createRandom } from "./criteria/random.js";
export { createSelfDistillation, createTaylor } from "./criteria/self-distillation.js";
export { createWanda } from "./criteria/wanda.js";
export { activationGrams } from "./activation-gram.js";
export type { ActivationGramRequest, LayerStatistics } from "./activation-gram.js";
export { finishScores } from "./finish-scores.js";
export type { SampleCounts } from "./finish-scores.js";
export { importancePlugin } from "./importance-plugin.js";
export { weightGradientCopies } from "./plan-sweep.js";
export { propagatingSweep } from "./propagating-sweep.js";
export type { PropagatingSweepRequest } from "./propagating-sweep.js";
export { ScoreAccumulator } from "./score-accumulator.js";
export { modelTeacher } from "./sweep-teacher.js";
export type { MicroBatch, SweepTeacher } from "./sweep-teacher.js";
export type { MlpMatrices, WeightGradients } from "./weight-gradients.js";

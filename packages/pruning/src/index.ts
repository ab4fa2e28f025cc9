export { createGlobalAllocation, createUniformAllocation } from "./allocation.js";
export type { Allocation, AllocationRequest } from "./allocation.js";
export { applyPlan } from "./apply-plan.js";
export type { ApplyPlanOptions, PrunedTensor, TensorSource } from "./apply-plan.js";
export { meanBias, meanBiasErrors } from "./compensation/mean-bias.js";
export { ridgeDownProjection } from "./compensation/ridge.js";
export type { RidgeInputs, RidgeResult } from "./compensation/ridge.js";
export { createSdmPrune, createSingleStageMethod, keepBest } from "./methods.js";
export { achievedRatios, countOf, countParameters, modelShape } from "./model-shape.js";
export type { ModelShape, ParameterCounts, RatioOf } from "./model-shape.js";
export { pruningPlugin } from "./pruning-plugin.js";
export type {
  PruningMethod,
  ScoreOptions,
  Stage,
  StageContext,
  StageResult,
  StagesRequest,
  TensorEdits,
} from "./pruning-method.js";
export { assertPlanFits, createPlan, formatPlan, parsePlan, planKept, planWidths } from "./pruning-plan.js";
export type { KeptNeurons, PlannedLayer, PruningPlan } from "./pruning-plan.js";
export { rankNeurons, selectNeurons } from "./select-neurons.js";
export { padTensor, sliceTensor } from "./slice-tensor.js";
export type { TrainingContext } from "./training-context.js";
export { targetWidth } from "./target-width.js";
export type { PruningTarget } from "./target-width.js";

export { AGGREGATION_NAMES } from "./aggregation.js";
export type { AggregationName, MetricValue } from "./aggregation.js";
export { checkpointTable } from "./checkpoint-table.js";
export type { CheckpointResults, StoredTask } from "./checkpoint-table.js";
export { compareSamples, comparisonTable } from "./compare-samples.js";
export type { Comparison, StoredSample, StoredSamples, TaskComparison } from "./compare-samples.js";
export { defineTask } from "./define-task.js";
export { evaluate } from "./evaluate.js";
export type {
  EvaluatedDocument,
  EvaluateOptions,
  EvaluationJournal,
  MetricResult,
  TaskResult,
} from "./evaluate.js";
export { evaluationPlugin } from "./evaluation-plugin.js";
export { hashLanguageModel } from "./hash-language-model.js";
export type { HashLanguageModelOptions } from "./hash-language-model.js";
export type {
  GenerationRequest,
  LanguageModel,
  LanguageModelOptions,
  Loglikelihood,
  LoglikelihoodRequest,
} from "./language-model.js";
export { perplexity } from "./perplexity.js";
export type { Perplexity, PerplexityOptions, WindowNll } from "./perplexity.js";
export { findPerplexityPreset, PERPLEXITY_PRESETS } from "./perplexity-presets.js";
export type { PerplexityPreset } from "./perplexity-presets.js";
export { perplexityWindows } from "./perplexity-windows.js";
export type { PerplexityBos, PerplexityWindow } from "./perplexity-windows.js";
export { requestArguments, requestLine } from "./request-lines.js";
export type { EvaluatedTask, EvaluationRun, NamedToken } from "./results-document.js";
export { cellText, csvReporter, htmlReporter, markdownReporter } from "./results-table.js";
export type { Cell, Estimate, Reporter, ResultsTable } from "./results-table.js";
export { mainMetric } from "./main-metric.js";
export { mcNemarTest, pairedBootstrap } from "./significance.js";
export type { BootstrapOptions, McNemar, PairedDifference } from "./significance.js";
export { taskConfig } from "./task-config.js";
export type { DocPart, TaskConfig, TaskVersion, VersionedTask } from "./task-config.js";
export { taskTable } from "./task-table.js";
export { isTaskGroup } from "./task.js";
export type {
  Doc,
  OutputType,
  Task,
  TaskData,
  TaskDocument,
  TaskGroup,
  TaskMetric,
  TaskRequest,
  TaskResponse,
} from "./task.js";
export type { TokenScorer } from "./token-scorer.js";

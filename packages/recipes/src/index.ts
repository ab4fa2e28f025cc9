export type { CalibrationRequest } from "./calibration.js";
export { checkCompatibility } from "./compatibility.js";
export type { Compatibility } from "./compatibility.js";
export { compare, listCells, serveCells } from "./compare/compare.js";
export type { CellRunner } from "./compare/run-cells.js";
export type { CompareReport, CompareRequest, ListedCell } from "./compare/compare.js";
export type {
  ComparisonResults,
  ReferenceComparison,
  ResultRow,
  SeedResult,
} from "./compare/collect-results.js";
export type { Experiment } from "./compare/experiment.js";
export { parseExperiment } from "./compare/experiment.js";
export { defined } from "./defined.js";
export { convert } from "./convert.js";
export type { ConvertRequest, ConvertResult } from "./convert.js";
export { dumpRequests, evaluateModel } from "./evaluate.js";
export type { DumpedRequests, EvaluateRequest, EvaluationReport } from "./evaluate.js";
export type { TasksRequest } from "./find-tasks.js";
export { formatDuration } from "./format-duration.js";
export { generateText } from "./generate-text.js";
export type { GeneratedText, GenerateRequest } from "./generate-text.js";
export { inspect } from "./inspect.js";
export type {
  CheckpointInspection,
  Inspection,
  PlanInspection,
  ScoresInspection,
  SeriesInspection,
} from "./inspect.js";
export type { LanguageModelRequest } from "./open-language-model.js";
export { mergeScores } from "./merge-scores.js";
export type { MergeScoresRequest, MergeScoresResult } from "./merge-scores.js";
export { measureLatency, openLatencyProgram } from "./latency.js";
export type {
  LatencyModelRequest,
  LatencyProgram,
  LatencyReport,
  LatencyRequest,
  LatencySample,
  LatencyShape,
  ModelLatency,
} from "./latency.js";
export { describeMachine } from "./machine.js";
export type { Machine } from "./machine.js";
export { openModel } from "./open-model.js";
export type { OpenedModel } from "./open-model.js";
export { mergeAdapter } from "./merge.js";
export type { MergeRequest, MergeResult } from "./merge.js";
export { measurePerplexity } from "./perplexity.js";
export type { PerplexityReport, PerplexityRequest } from "./perplexity.js";
export { findPreset, PRESETS } from "./presets.js";
export type { Preset } from "./presets.js";
export { prune } from "./prune.js";
export type { PruneResult } from "./prune.js";
export type { Compensation, ExportForm, PruneRequest } from "./prune-request.js";
export { score, scoreShard } from "./score.js";
export type { ScoreRequest, ScoreResult, ScoreShardRequest, ScoreShardResult } from "./score.js";
export type { WorkerCount } from "./plan-workers.js";
export type { StartWorker } from "./sample-workers.js";
export { serveSamples } from "./serve-samples.js";
export { checkRecovery, recover, recoveryFolders } from "./recover.js";
export type { RecoverRequest, RecoverResult } from "./recover.js";
export { train } from "./train.js";
export type { TrainResult } from "./train.js";
export type { TrainingDataRequest, TrainingSettings, TrainRequest } from "./train-request.js";
export { checkTrainingData } from "./check-training-data.js";
export { findTrainingPreset, TRAINING_PRESETS } from "./training-presets.js";
export type { TrainingPreset } from "./training-presets.js";
export { startEngine } from "./start-engine.js";
export type { EngineRequest } from "./start-engine.js";
export { writeTrainingReport } from "./report/write-training-report.js";
export type { WriteTrainingReportRequest } from "./report/write-training-report.js";

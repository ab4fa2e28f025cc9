export type { CalibrationSample, TokenSpan } from "./calibration-sample.js";
export { DATASET_FORMATS } from "./dataset-format.js";
export type { DatasetFormat } from "./dataset-format.js";
export type { Document, DocumentSource, InputIdsDocument, SourceFile, TextDocument } from "./document.js";
export { BOS_POLICIES, SAMPLERS } from "./draw-windows.js";
export type { BosPolicy, Sampler, SampleWindowsOptions } from "./draw-windows.js";
export { concatDocuments, readDocuments } from "./read-documents.js";
export type { ReadDocumentsOptions } from "./read-documents.js";
export { readRows, streamRows } from "./read-rows.js";
export type { ReadRowsOptions, Row } from "./read-rows.js";
export { sampleWindows } from "./sample-windows.js";
export type { CalibrationSet } from "./sample-windows.js";
export type { SamplingProvenance } from "./sampling-provenance.js";
export { shuffleDocuments } from "./shuffle-documents.js";
export type { TokenEncoder } from "./token-encoder.js";
export type { WindowBos } from "./document-tokenizer.js";
export { alpacaPrompt } from "./training/alpaca-prompt.js";
export type { TrainingEncoder } from "./training/example-tokenizer.js";
export { packRows } from "./training/pack-rows.js";
export type { PackRowsOptions, SequencePlan } from "./training/pack-rows.js";
export { concatTrainingData, readTrainingData, textTrainingData } from "./training/read-training-data.js";
export { formatExamples, renderExamples, renderSequence } from "./training/render-sequences.js";
export type { RenderedExample, RenderedPart, TokenDecoder } from "./training/render-sequences.js";
export { splitHeldOut } from "./training/split-held-out.js";
export type { TokenStore } from "./training/token-store.js";
export { LONG_ROWS, tokenizeTrainingData } from "./training/tokenize-training-data.js";
export type {
  LongRows,
  TokenizeTrainingDataOptions,
  TrainingData,
  TrainingDataStats,
} from "./training/tokenize-training-data.js";
export type { InstructionExample, TrainingExample, TrainingSource } from "./training/training-example.js";
export { IGNORED_LABEL, trainingSequences } from "./training/training-sequences.js";
export type {
  TrainingSequence,
  TrainingSequences,
  TrainingSequencesOptions,
} from "./training/training-sequences.js";

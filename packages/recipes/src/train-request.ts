import type { LongRows } from "@sdmprune/data";
import type { LoraConfig, ScheduleName, TrainingListener } from "@sdmprune/lora";
import type { EngineRequest } from "./start-engine.js";

/** How to train: what a preset fills in where the request is silent. */
export interface TrainingSettings {
  /** `lora` trains adapters beside the frozen model, `full` all parameters. Default `lora`. */
  readonly mode?: "lora" | "full";
  /** Default 2. */
  readonly epochs?: number;
  /** Default 1e-4. */
  readonly learningRate?: number;
  /** Default 0.05. */
  readonly weightDecay?: number;
  /** Default `cosine`. */
  readonly schedule?: ScheduleName;
  /** Default 0. */
  readonly warmupSteps?: number;
  /** 0 clips nothing. Default 1. */
  readonly maxGradNorm?: number;
  /** Sequences of a micro-batch. Default 1. */
  readonly batchSize?: number;
  /** Micro-batches of a step. Default 16. */
  readonly gradientAccumulation?: number;
  /** Tokens of a sequence. Default 4096, or the model's longest sequence if that is less. */
  readonly maxLength?: number;
  /** Of `lora`: rank, alpha, dropout and layers. */
  readonly lora?: Partial<LoraConfig>;
  /** Share of distillation in the loss, with a teacher. Default 0.5. */
  readonly alpha?: number;
  /** Temperature of the teacher. Default 1. */
  readonly tau?: number;
}

/** What training data are read from. */
export interface TrainingDataRequest {
  /** Files, folders, `hub:org/name`, or registered data sets. */
  readonly data: string | readonly string[];
  readonly textKey?: string;
  /** Examples to read at most. */
  readonly limit?: number;
  /** What becomes of instructions longer than `maxLength`. Default `truncate`. */
  readonly longRows?: LongRows;
  /** Whether a sequence holds as many examples as fit (default), or one. */
  readonly packing?: boolean;
  /** Examples to set apart, whose loss is measured. Default: one in a hundred, at most 64, if there are 50 or more. */
  readonly heldOut?: number;
}

/** What a user can say about a training. */
export interface TrainRequest extends EngineRequest, TrainingSettings, TrainingDataRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Folder of the training: adapter or checkpoint, metrics and checkpoints to go on from. */
  readonly output: string;
  readonly preset?: string;
  /** A model to distil from, usually the one before pruning. */
  readonly teacher?: string;
  /** Steps, or tokens, to end after; the schedule ends there as well. */
  readonly maxSteps?: number;
  readonly maxTokens?: number;
  /** Steps between two measurements of the held-out loss. Default: a tenth of the training. */
  readonly evalEvery?: number;
  /** Steps between two checkpoints. Default: a tenth of the training, at most 100. */
  readonly saveEvery?: number;
  /** Checkpoints to keep. Default 2. */
  readonly keepCheckpoints?: number;
  /** Goes on from the last checkpoint of the same request. */
  readonly resume?: boolean;
  /** Replaces a training in the folder. */
  readonly force?: boolean;
  /** Memory for the whole process, such as `4GiB`, or `auto` for what is free. Default `auto`. */
  readonly memory?: string;
  /** Watch the training. */
  readonly listeners?: readonly TrainingListener[];
}

import type { ModelShape } from "./model-shape.js";
import type { KeptNeurons } from "./pruning-plan.js";
import type { TrainingContext } from "./training-context.js";

/**
 * Turns a model and a target into kept neurons, stage by stage. A method is a list of stages; the student of
 * a stage is the original checkpoint seen through the neurons that the stage before kept.
 */
export interface PruningMethod {
  /** Whether any stage reads calibration data. */
  readonly needsCalibration: boolean;
  /** Whether it sets the widths of the layers itself, so that no allocation but `uniform` can be asked for. */
  readonly decidesWidths?: boolean;
  /** The stages that lead from `shape` to the target. */
  stages(request: StagesRequest): readonly Stage[];
}

export interface StagesRequest {
  readonly shape: ModelShape;
  /** The uniform width that meets the target. */
  readonly width: number;
  /** What a method rounds widths of its own to a multiple of. Default 1. */
  readonly roundTo?: number;
}

export interface Stage {
  /** Short name for progress and the manifest. */
  readonly name: string;
  run(context: StageContext): Promise<StageResult>;
}

export interface StageContext {
  /** 1 for the first stage. */
  readonly number: number;
  /** Neurons the stages before have kept, as indices into the original checkpoint. */
  readonly kept: KeptNeurons;
  /**
   * Scores the neurons of the current student with a registered criterion.
   *
   * @returns One float64 vector per layer, as long as the layer's kept neurons, in their order.
   */
  score(
    importance: string,
    options?: Readonly<Record<string, unknown>>,
    how?: ScoreOptions,
  ): Promise<readonly Float64Array[]>;
  /**
   * What a stage needs that trains.
   *
   * @throws {UsageError} If the run takes its scores from a file, where training has no place.
   */
  training(): TrainingContext;
  /** Widths from scores by the allocation the user chose, for a uniform width that sets the budget. */
  allocate(scores: readonly Float64Array[], width: number): readonly number[];
}

export interface ScoreOptions {
  /**
   * Scores layer by layer, for criteria without gradients: a layer's best neurons, this many, alone feed the next
   * layer. Default: every layer sees the whole student.
   */
  readonly propagateWidths?: readonly number[];
}

export interface StageResult {
  /** Neurons this stage keeps, as indices into the original checkpoint, ascending. */
  readonly kept: KeptNeurons;
  /** Tensors of the original checkpoint whose values this stage replaces, before neurons are removed. */
  readonly edits?: TensorEdits;
}

/** Replacements of whole tensors, by checkpoint name, each in the shape and dtype of the tensor it replaces. */
export interface TensorEdits {
  readonly names: readonly string[];
  /** Row-major little-endian bytes of a replaced tensor. */
  read(name: string): Promise<Uint8Array>;
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    method: PruningMethod;
  }
}

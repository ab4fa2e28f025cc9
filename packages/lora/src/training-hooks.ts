import type { BlockObserver, SequenceOptions } from "@sdmprune/models";
import type { tf } from "@sdmprune/tensor";
import type { ParameterGroup } from "./optimizer.js";
import type { TrainingMetrics } from "./training-metrics.js";

/** Where a training stands. */
export interface StepContext {
  /** Number of the step, from 1. */
  readonly step: number;
  readonly totalSteps: number;
}

/** What a micro-batch runs with besides the training's own. */
export interface PassOptions extends Pick<SequenceOptions, "neuronMasks"> {
  /** Sees the pass backward, in addition to the training's own observer. */
  readonly observer?: BlockObserver;
}

/**
 * Places where something else takes part in a training, such as a method that prunes while it trains. Tensors it is
 * shown stay the training's. What a hook keeps from step to step belongs into `state`, or a resumed training differs.
 */
export interface TrainingHooks {
  /** More parameters, which are updated with the training's; their gradients come from observers or `onGradients`. */
  readonly groups?: readonly ParameterGroup[];
  /** Before the first pass of a step. */
  beforeStep?(context: StepContext): void | Promise<void>;
  /** Before every micro-batch. What it returns belongs to the hook, which may free it in `afterStep`. */
  pass?(context: StepContext & { readonly microBatch: number }): PassOptions;
  /**
   * Once all gradients of a step are there, before clipping. Those by name are the sums over the step; entries may be added,
   * replaced or deleted, and tensors put in are the training's from then on.
   */
  onGradients?(context: StepContext & { readonly gradients: Map<string, tf.Tensor> }): void | Promise<void>;
  /** After the parameters have moved. */
  onStep?(context: StepContext, metrics: TrainingMetrics): void | Promise<void>;
  /** Further tensors of a checkpoint, by name; they stay the hook's. */
  state?(): ReadonlyMap<string, tf.Tensor>;
  /** Takes back what `state` gave; the tensors are the hook's from then on. */
  restore?(state: ReadonlyMap<string, tf.Tensor>): void;
}

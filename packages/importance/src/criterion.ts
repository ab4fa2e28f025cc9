import type { MlpBackwardObservation } from "@sdmprune/models";
import type { GatedMlpWeights, LossSpec, tf } from "@sdmprune/tensor";
import type { ScoreAccumulator } from "./score-accumulator.js";
import type { WeightGradients } from "./weight-gradients.js";

/** The weights of one MLP and what has been accumulated for it, when every sample has been seen. */
export interface FinishedLayer {
  readonly layer: number;
  readonly weights: GatedMlpWeights;
  /** Sum of all increments; shape `[F]`, or `[numSums, F]` row-major; float64. */
  readonly score: Float64Array;
  /** What `needs.weightGradients` asked for. Lent for the call. */
  readonly weightGradients?: WeightGradients;
  readonly nsamples: number;
  readonly numTokens: number;
}

/** The loss whose gradients a criterion wants. */
export type CriterionLoss = LossSpec | "cross-entropy" | "entropy";

/** What a criterion wants to see. With none of it the criterion sees no data and has a `finish`. */
export interface CriterionNeeds {
  /** Calls `observe` in the forward pass with every MLP's activations. Implied by `gradients`. */
  readonly activations?: boolean;
  /** Calls `observe` in the backward pass of this loss, with activations and gradients. */
  readonly gradients?: { readonly loss: CriterionLoss };
  /**
   * Sums the gradients by the MLPs' weights over all samples, and with `mean-and-square` each sample's squared ones,
   * for `finish`, which is required then; `observe` is not. Needs `gradients`. Takes as much memory as the MLPs'
   * weights in float32, or twice that; such a sweep starts over on `--resume` and cannot be taken apart into shards.
   */
  readonly weightGradients?: "mean" | "mean-and-square";
}

/**
 * Scores the neurons of every MLP: higher means keep. It says what it needs, adds increments to a float64
 * vector per layer, and never learns which backend runs.
 *
 * Exactly what is needed is computed: without `needs` no model runs at all and only `finish` is called.
 */
export interface ImportanceCriterion {
  readonly needs: CriterionNeeds;
  /**
   * How many vectors of sums are kept per layer, for a statistic that one sum is not enough for. With more than one,
   * increments and `FinishedLayer.score` have shape `[numSums, F]`, and `finish` makes `[F]` of them. Default 1.
   */
  readonly numSums?: number;
  /**
   * Called for each layer of each sample: in the backward pass where `needs.gradients` is set, else in the
   * forward pass, without the gradients. Adds an increment of shape `[F]` with `scores.add(layer, tensor)`, which
   * takes the tensor over. Whatever else it makes, it disposes (`tf.tidy`).
   */
  observe?(observation: MlpBackwardObservation, scores: ScoreAccumulator): void;
  /**
   * Turns the accumulated sums of a layer into its scores, shape `[F]`; the default leaves them as they are.
   * A returned tensor is the caller's to dispose; whatever else the function makes, it disposes itself.
   */
  finish?(layer: FinishedLayer): tf.Tensor1D | Float64Array | Promise<Float64Array>;
  /** Set it when the criterion keeps state of its own between calls: its sweep starts over on `--resume`. */
  readonly isStateful?: boolean;
}

/** Whether more is kept between samples than sums of increments: such a sweep can neither go on nor be taken apart. */
export function keepsState({ isStateful, needs }: ImportanceCriterion): boolean {
  return isStateful === true || needs.weightGradients !== undefined;
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    importance: ImportanceCriterion;
  }
}

import type { ProgressListener } from "@sdmprune/core";
import type { CausalLM, PrunableGroup } from "@sdmprune/models";
import type { TensorSource } from "./apply-plan.js";

/** What a stage works with that trains while it prunes. */
export interface TrainingContext {
  /** The calibration windows: what there is to train on. */
  readonly samples: readonly { readonly ids: Int32Array }[];
  /** Of everything random. */
  readonly seed: number;
  readonly progress: ProgressListener;
  /** Aborted when the user interrupts the run. */
  readonly signal: AbortSignal;
  /**
   * Opens the current student, within the run's memory.
   *
   * @returns The model, which the caller disposes, and whether its passes are to recompute activations.
   */
  openStudent(): Promise<{ readonly model: CausalLM; readonly recompute: boolean }>;
  /** The original checkpoint. */
  readonly source: TensorSource;
  /** Of the original checkpoint. */
  readonly groups: readonly PrunableGroup[];
  /**
   * Notes the scores that the stage ends with, for the method's score file.
   *
   * @param options - In full; what the scores depend on.
   * @param scores - One float64 vector per layer, as long as the layer's current neurons, in their order.
   */
  record(
    importance: string,
    options: Readonly<Record<string, unknown>>,
    scores: readonly Float64Array[],
  ): void;
}

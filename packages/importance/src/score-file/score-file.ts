import type { JsonValue } from "@sdmprune/model-io";

/** Scores of one criterion: a float64 vector of shape `[intermediate_size]` per layer. */
export type LayerScores = readonly Float64Array[];

/** What one stage of a method computed. */
export interface StageScores {
  readonly importance: string;
  readonly scores: LayerScores;
  /**
   * Neurons of the student that was scored, as ascending indices into the original checkpoint. Stage 1 scores
   * the original itself and has none.
   */
  readonly kept?: readonly Int32Array[];
}

/** What a score file holds: scores of criteria on the model as it is, or those of a method's stages. */
export interface ScoreFile {
  /** By criterion. Empty in a method's file. */
  readonly importances: ReadonlyMap<string, LayerScores>;
  /** In order of the stages. Empty unless a method wrote the file. */
  readonly stages: readonly StageScores[];
  /** How the scores came about: model hash, samples, seed, losses, versions. */
  readonly manifest: Readonly<Record<string, JsonValue>>;
}

/** Key of the file's metadata that holds the manifest as JSON. */
export const MANIFEST_KEY = "sdmprune_scores";

/** In the place of a criterion's name, in a stage: the neurons that were scored. */
export const KEPT = "kept";

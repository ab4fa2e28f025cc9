import { NotFoundError, suggestNames, UsageError } from "@sdmprune/core";
import type { LayerScores, ScoreFile, StageScores } from "./score-file.js";

/** A stage of a method that wants its scores. */
export interface WantedScores {
  /** 1 for the first stage. */
  readonly number: number;
  readonly importance: string;
  /** Neurons of the student, as indices into the original checkpoint. */
  readonly kept: readonly Int32Array[];
}

/**
 * The scores a stage of a method would compute, out of a file: those of the same stage, or for the first stage
 * those of the criterion on the model as it is.
 *
 * @param where - File name for errors.
 * @throws {NotFoundError} If the file has no such scores.
 * @throws {UsageError} If they belong to other neurons.
 */
export function findStageScores(file: ScoreFile, where: string, wanted: WantedScores): LayerScores {
  const { number, importance, kept } = wanted;
  const stage = file.stages[number - 1];
  const plain = number === 1 ? file.importances.get(importance) : undefined;
  const found: Omit<StageScores, "importance"> | undefined =
    stage?.importance === importance ? stage : plain && { scores: plain };
  if (!found) throw noSuchScores(file, where, wanted);
  const [scored, expected] = [found.scores, kept].map((layers) => layers.map((l) => l.length).join(", "));
  const advice = "Was it made from this model, with these options?";
  if (scored !== expected) {
    throw new UsageError(
      `${where}: the scores of "${importance}" for stage ${number} are for MLPs of width [${scored}], expected [${expected}]. ${advice}`,
    );
  }
  const other =
    found.kept?.findIndex((indices, layer) => indices.some((n, i) => n !== kept[layer]![i])) ?? -1;
  if (other !== -1) {
    throw new UsageError(
      `${where}: the scores of "${importance}" for stage ${number} are for other neurons of layer ${other} than the stage before keeps. ${advice}`,
    );
  }
  return found.scores;
}

function noSuchScores(
  { importances, stages }: ScoreFile,
  where: string,
  { number, importance }: WantedScores,
): NotFoundError {
  const held = [...importances.keys(), ...stages.map((stage, i) => `stage${i + 1}/${stage.importance}`)];
  const [near] = suggestNames(importance, held);
  const hint = near === undefined || near === importance ? "" : ` Did you mean "${near}"?`;
  return new NotFoundError(
    `${where}: expected scores of "${importance}" for stage ${number}, got ${held.join(", ") || "none"}.${hint}`,
  );
}

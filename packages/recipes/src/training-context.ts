import { UsageError } from "@sdmprune/core";
import type { LayerScores } from "@sdmprune/importance/score-file";
import type { TrainingContext } from "@sdmprune/pruning";
import { planSweepMemory } from "./memory-budget.js";
import type { RunStagesRequest, Student } from "./run-stages.js";
import type { ScoreCall } from "./score-source.js";
import type { StudentModels } from "./student-models.js";
import { sweepSize } from "./sweep-size.js";

/**
 * What a stage of a run has to train with.
 *
 * @param record - Takes the scores that the stage ends with, and how they came about.
 * @throws {UsageError} If the run takes its scores from a file.
 */
export function trainingContext(
  { run, model, calibration, scores, budget }: RunStagesRequest,
  models: StudentModels,
  { kept, isWhole }: Student,
  stage: { readonly number: number; readonly name: string },
  record: (call: ScoreCall, scores: LayerScores) => void,
): TrainingContext {
  if (scores) {
    throw new UsageError(
      `${scores.name}: stage ${stage.number} (${stage.name}) trains the model while it prunes, which scores of a file cannot replace. Leave out --scores and give --calibration FILE.`,
    );
  }
  const samples = calibration?.samples ?? [];
  const { family, checkpoint, config } = model;
  return {
    samples,
    seed: run.seed,
    progress: run.progress,
    signal: run.signal,
    source: checkpoint,
    groups: family.prunableGroups(config),
    async openStudent() {
      const size = sweepSize(model, samples, [
        { needs: { gradients: { loss: "cross-entropy" } }, observe: () => {} },
      ]);
      const { residency, recompute } = planSweepMemory(run, size, budget);
      const view = kept.map((indices) => (isWhole ? undefined : indices));
      return { model: await models.variant(residency, view), recompute };
    },
    record: (importance, options, layers) => record({ importance, options }, layers),
  };
}

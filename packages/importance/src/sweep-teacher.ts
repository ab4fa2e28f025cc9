import { forwardHiddenEach, type CausalLM } from "@sdmprune/models";
import type { LanguageModelHead, tf } from "@sdmprune/tensor";
import type { SweepSample } from "./calibration-sweep.js";

/** Samples that go through the model block by block together, and where they stand among all. */
export interface MicroBatch {
  readonly samples: readonly SweepSample[];
  /** Index of the first one. */
  readonly start: number;
}

/** What a distillation loss needs of the teacher: a model, or somebody who remembers what it put out. */
export interface SweepTeacher {
  readonly head: LanguageModelHead;
  /** Output of the final norm for each sample, `[T, H]`. The caller disposes them. */
  finalHidden(batch: MicroBatch, signal?: AbortSignal): Promise<tf.Tensor2D[]>;
}

/** A model as a teacher, which runs over every sample. */
export function modelTeacher(model: CausalLM): SweepTeacher {
  return {
    head: model.head,
    finalHidden: ({ samples }, signal) =>
      forwardHiddenEach(
        model,
        samples.map(({ ids }) => ({ ids, batch: 1 })),
        { signal },
      ),
  };
}

export function sweepTeacher(teacher: CausalLM | SweepTeacher | undefined): SweepTeacher | undefined {
  return teacher && "finalHidden" in teacher ? teacher : teacher && modelTeacher(teacher);
}

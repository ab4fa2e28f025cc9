import { NonFiniteError } from "@sdmprune/core";
import {
  forwardBackwardEach,
  forwardHiddenEach,
  type BlockObserver,
  type CausalLM,
  type LossInput,
  type MlpBackwardObservation,
} from "@sdmprune/models";
import { languageModelLoss, type LanguageModelHead, type LossSpec, tf } from "@sdmprune/tensor";
import type { SweepRequest, SweepSample } from "./calibration-sweep.js";
import { locateNonFinite } from "./locate-non-finite.js";
import type { SweepPlan } from "./plan-sweep.js";
import type { ScoreAccumulator } from "./score-accumulator.js";

/** Samples that go through the model block by block together, and where they stand among all. */
export interface MicroBatch {
  readonly samples: readonly SweepSample[];
  /** Index of the first one. */
  readonly start: number;
}

/**
 * Feeds some samples, each by itself, to every criterion that sees samples, and adds up what they say of them. Every
 * layer sees them in order, so that the sums do not depend on how samples are grouped.
 */
export async function sweepSamples(
  request: SweepRequest,
  plan: SweepPlan,
  accumulators: ReadonlyMap<string, ScoreAccumulator>,
  batch: MicroBatch,
): Promise<void> {
  const { student, signal } = request;
  const observerOf = (names: readonly string[], sample: SweepSample): BlockObserver => ({
    mlp: (observation) => {
      for (const name of names) {
        const accumulator = accumulators.get(name)!;
        request.criteria.get(name)!.observe!(observation as MlpBackwardObservation, accumulator);
        accumulator.attribute(sampleName(sample));
      }
    },
  });
  if (plan.losses.length === 0) {
    const sequences = batch.samples.map((sample) => ({
      ids: sample.ids,
      batch: 1,
      observer: observerOf(plan.forwardOnly, sample),
    }));
    const hidden = await forwardHiddenEach(student, sequences, { signal });
    try {
      for (const [i, tensor] of hidden.entries()) await request.finalHidden?.put(batch.start + i, tensor);
    } finally {
      tf.dispose(hidden);
    }
  }
  const needsTeacher = plan.losses.some(({ loss }) => loss.kind === "blend");
  const teacher = needsTeacher && request.teacher ? await teacherPass(request, request.teacher, batch) : undefined;
  try {
    for (const [i, { loss, criteria }] of plan.losses.entries()) {
      const sequences = batch.samples.map((sample, n) => ({
        ids: sample.ids,
        batch: 1,
        lossFn: (input: LossInput) => sampleLoss(request, loss, input, batch, { n, isFirst: i === 0, teacher }),
        observer: observerOf(criteria, sample),
        // One forward pass serves the criteria that want no gradients.
        ...(i === 0 && plan.forwardOnly.length > 0 && { forwardObserver: observerOf(plan.forwardOnly, sample) }),
      }));
      await forwardBackwardEach(student, sequences, request);
    }
  } finally {
    tf.dispose(teacher?.hidden.filter((tensor) => tensor !== undefined) ?? []);
  }
  for (const accumulator of accumulators.values()) await accumulator.flush();
}

/** What errors call a sample. */
export function sampleName({ document, offset }: SweepSample): string {
  return `sample ${document} at token ${offset}`;
}

/** The teacher's final hidden states, `[T, H]` each; those of samples that are known from elsewhere are left out. */
interface TeacherPass {
  readonly hidden: readonly (tf.Tensor2D | undefined)[];
  readonly head: LanguageModelHead;
}

async function teacherPass(
  { teacherHidden, signal }: SweepRequest,
  teacher: Teacher,
  { samples, start }: MicroBatch,
): Promise<TeacherPass> {
}

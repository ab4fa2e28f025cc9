import { NonFiniteError } from "@sdmprune/core";
import {
  forwardBackwardEach,
  forwardHiddenEach,
  type BlockObserver,
  type CausalLM,
  type LossInput,
  type MlpBackwardObservation,
} from "@sdmprune/models";
import {
  languageModelLoss,
  type LanguageModelHead,
  type LanguageModelLoss,
  type LossSpec,
  tf,
} from "@sdmprune/tensor";
import type { SweepRequest, SweepSample } from "./calibration-sweep.js";
import { locateNonFinite } from "./locate-non-finite.js";
import type { SweepPlan } from "./plan-sweep.js";
import type { ScoreAccumulator } from "./score-accumulator.js";
import { sweepTeacher, type MicroBatch } from "./sweep-teacher.js";
import type { WeightGradientSums } from "./weight-gradients.js";

/**
 * Feeds some samples, each by itself, to every criterion that sees samples, and adds up what they say of them. Every
 * layer sees them in order, so that the sums do not depend on how samples are grouped.
 *
 * @param gradients - Takes weight gradients, by criterion that asked for them; those of one loss share one.
 */
export async function sweepSamples(
  request: SweepRequest,
  plan: SweepPlan,
  accumulators: ReadonlyMap<string, ScoreAccumulator>,
  batch: MicroBatch,
  gradients: ReadonlyMap<string, WeightGradientSums> = new Map(),
): Promise<void> {
  const observerOf = (names: readonly string[], sample: SweepSample): BlockObserver => ({
    mlp: (observation) => {
      for (const name of names) {
        const accumulator = accumulators.get(name)!;
        request.criteria.get(name)!.observe!(observation as MlpBackwardObservation, accumulator);
        accumulator.attribute(sampleName(sample));
      }
    },
  });
  const forwardObserver = (sample: SweepSample): BlockObserver => observerOf(plan.forwardOnly, sample);
  if (plan.losses.length === 0) await forwardSamples(request, batch, forwardObserver);
  const needsTeacher = plan.losses.some(({ loss }) => loss.kind === "blend");
  const teacher = needsTeacher ? sweepTeacher(request.teacher) : undefined;
  const teacherHidden = await teacher?.finalHidden(batch, request.signal);
  try {
    for (const [i, { loss, criteria, summed }] of plan.losses.entries()) {
      const isFirst = i === 0;
      const sums = summed[0] === undefined ? undefined : gradients.get(summed[0]);
      const sequences = batch.samples.map((sample, n) => ({
        ids: sample.ids,
        batch: 1,
        lossFn: async (input: LossInput) => {
          if (isFirst) await request.onFinalHidden?.(batch.start + n, input.hidden);
          // A student that is whole is its own teacher.
          const own = { hidden: input.hidden, head: input.head };
          const compared = teacher ? { hidden: teacherHidden![n]!, head: teacher.head } : own;
          return sampleLoss(request, sample, loss, input, compared);
        },
        observer: withSums(observerOf(criteria, sample), sums),
        // One forward pass serves the criteria that want no gradients.
        ...(isFirst && plan.forwardOnly.length > 0 && { forwardObserver: forwardObserver(sample) }),
      }));
      await forwardBackwardEach(request.student, sequences, request);
    }
  } finally {
    tf.dispose(teacherHidden ?? []);
  }
  for (const accumulator of accumulators.values()) await accumulator.flush();
}

/** Adds what an observer sees to sums of weight gradients, too. */
function withSums(observer: BlockObserver, sums: WeightGradientSums | undefined): BlockObserver {
  if (!sums) return observer;
  return {
    mlp: (observation) => {
      observer.mlp!(observation);
      sums.add(observation as MlpBackwardObservation);
    },
  };
}

/** The pass for criteria that want no gradients, where there are no others. */
async function forwardSamples(
  { student, signal, onFinalHidden }: SweepRequest,
  { samples, start }: MicroBatch,
  observer: (sample: SweepSample) => BlockObserver,
): Promise<void> {
  const sequences = samples.map((sample) => ({ ids: sample.ids, batch: 1, observer: observer(sample) }));
  const hidden = await forwardHiddenEach(student, sequences, { signal });
  try {
    for (const [n, tensor] of hidden.entries()) await onFinalHidden?.(start + n, tensor);
  } finally {
    tf.dispose(hidden);
  }
}

/** @throws {NonFiniteError} If the loss is not finite. */
async function sampleLoss(
  { student, keepLogitsBytes }: SweepRequest,
  sample: SweepSample,
  loss: LossSpec,
  input: LossInput,
  teacher: { readonly hidden: tf.Tensor2D; readonly head: LanguageModelHead },
): Promise<LanguageModelLoss> {
  const result = await languageModelLoss({ ...input, loss, teacher, keepLogitsBytes });
  if (Number.isFinite(result.loss)) return result;
  result.dHidden?.dispose();
  throw await nonFiniteLoss(
    `The ${loss.kind} loss of ${sampleName(sample)} is ${result.loss}`,
    student,
    sample,
  );
}

/** What errors call a sample. */
export function sampleName({ document, offset }: SweepSample): string {
  return `sample ${document} at token ${offset}`;
}

/** Says where in the student it went wrong, at the cost of one more forward pass. */
async function nonFiniteLoss(what: string, student: CausalLM, { ids }: SweepSample): Promise<NonFiniteError> {
  const place = await locateNonFinite(student, ids);
  const cause = place
    ? `${place} is the first to put out a value that is not finite`
    : "every layer puts out finite values, so look at the final norm, the LM head and the teacher";
  return new NonFiniteError(`${what}; ${cause}. Check the checkpoint for NaN or infinite weights.`);
}

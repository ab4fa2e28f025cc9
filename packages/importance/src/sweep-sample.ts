import { NonFiniteError } from "@sdmprune/core";
import {
  forwardBackward,
  forwardHidden,
  type BlockObserver,
  type CausalLM,
  type MlpBackwardObservation,
} from "@sdmprune/models";
import { languageModelLoss, type LanguageModelHead, type tf } from "@sdmprune/tensor";
import type { SweepRequest, SweepSample } from "./calibration-sweep.js";
import { locateNonFinite } from "./locate-non-finite.js";
import type { SweepPlan } from "./plan-sweep.js";
import type { ScoreAccumulator } from "./score-accumulator.js";

/** Feeds one sample to every criterion that sees samples, and adds up what they say of it. */
export async function sweepSample(
  request: SweepRequest,
  plan: SweepPlan,
  accumulators: ReadonlyMap<string, ScoreAccumulator>,
  sample: SweepSample,
): Promise<void> {
  const { student, signal } = request;
  const where = sampleName(sample);
  const observerOf = (names: readonly string[]): BlockObserver => ({
    mlp: (observation) => {
      for (const name of names) {
        request.criteria.get(name)!.observe!(observation as MlpBackwardObservation, accumulators.get(name)!);
      }
    },
  });
  const forwardObserver = observerOf(plan.forwardOnly);
  if (plan.losses.length === 0) {
    (await forwardHidden(student, sample.ids, 1, { observer: forwardObserver, signal })).dispose();
  }
  const needsTeacher = plan.losses.some(({ loss }) => loss.kind === "blend");
  const teacher = needsTeacher ? await teacherPass(request, sample) : undefined;
  try {
    for (const [i, { loss, criteria }] of plan.losses.entries()) {
      const result = await forwardBackward(student, {
        ids: sample.ids,
        batch: 1,
        lossFn: (input) => languageModelLoss({ ...input, loss, teacher }),
        observer: observerOf(criteria),
        // One forward pass serves the criteria that want no gradients.
        ...(i === 0 && plan.forwardOnly.length > 0 && { forwardObserver }),
        recompute: request.recompute ?? false,
        signal,
      });
      if (!Number.isFinite(result.loss)) {
        throw await nonFiniteLoss(`The ${loss.kind} loss of ${where} is ${result.loss}`, student, sample);
      }
    }
  } finally {
    teacher?.hidden.dispose();
  }
  for (const accumulator of accumulators.values()) await accumulator.flush(where);
}

/** What errors call a sample. */
export function sampleName({ document, offset }: SweepSample): string {
  return `sample ${document} at token ${offset}`;
}

/** Final hidden states of the teacher; shape `[N, H]`. The caller disposes them. */
async function teacherPass(
  { teacher, student, signal }: SweepRequest,
  { ids }: SweepSample,
): Promise<{ hidden: tf.Tensor2D; head: LanguageModelHead }> {
  const model = teacher ?? student; // a student that is whole is its own teacher
  return { hidden: await forwardHidden(model, ids, 1, { signal }), head: model.head };
}

/** Says where in the student it went wrong, at the cost of one more forward pass. */
async function nonFiniteLoss(what: string, student: CausalLM, { ids }: SweepSample): Promise<NonFiniteError> {
  const place = await locateNonFinite(student, ids);
  const cause = place
    ? `${place} is the first to put out a value that is not finite`
    : "every layer puts out finite values, so look at the final norm, the LM head and the teacher";
  return new NonFiniteError(`${what}; ${cause}. Check the checkpoint for NaN or infinite weights.`);
}

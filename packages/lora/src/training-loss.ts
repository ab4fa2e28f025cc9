import { forwardHidden, type CausalLM, type LossInput } from "@sdmprune/models";
import { languageModelLoss, tf, type LanguageModelHead, type LossSpec } from "@sdmprune/tensor";
import type { MicroBatch } from "./micro-batch.js";

/** Loss of a micro-batch. */
export interface MicroBatchLoss {
  /** Mean over the target tokens. */
  readonly loss: number;
  readonly numTokens: number;
}

export interface TrainingLossOptions {
  readonly batch: MicroBatch;
  readonly loss: LossSpec;
  /** Hidden states of the teacher for all tokens, and its head; for a blend. */
  readonly teacher?: { hidden: tf.Tensor2D; head: LanguageModelHead } | undefined;
  /** Target tokens of the whole optimiser step, which its gradient is the mean over. */
  readonly numStepTokens: number;
  readonly keepLogitsBytes?: number | undefined;
}

/**
 * Loss of the rows that predict a target, and its gradient. Logits of other rows are not computed.
 *
 * @returns `dHidden [N, H]` is the caller's.
 */
export async function trainingLoss(
  { hidden, head, onHeadGradient }: Pick<LossInput, "hidden" | "head" | "onHeadGradient">,
  { batch, loss, teacher, numStepTokens, keepLogitsBytes }: TrainingLossOptions,
): Promise<MicroBatchLoss & { dHidden: tf.Tensor2D }> {
  const { rows, targets } = batch;
  const index = tf.tensor1d(rows, "int32");
  const chosen = tf.gather(hidden, index);
  const teacherChosen = teacher && { hidden: tf.gather(teacher.hidden, index), head: teacher.head };
  try {
    const result = await languageModelLoss({
      hidden: chosen,
      head,
      labels: targets,
      loss,
      teacher: teacherChosen,
      normalizer: numStepTokens,
      needGradient: true,
      onHeadGradient,
      keepLogitsBytes,
    });
    const dChosen = result.dHidden!;
    const dHidden = tf.tidy(() =>
      tf.scatterND<tf.Rank.R2>(tf.reshape(index, [-1, 1]), dChosen, hidden.shape),
    );
    dChosen.dispose();
    return { loss: result.loss, numTokens: result.numTokens, dHidden };
  } finally {
    tf.dispose([index, chosen, ...(teacherChosen ? [teacherChosen.hidden] : [])]);
  }
}

/** Mean cross-entropy of a model on held-out micro-batches, each target token counting alike, in nats. */
export async function heldOutLoss(
  model: CausalLM,
  batches: Iterable<MicroBatch>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<number> {
  let sum = 0;
  let count = 0;
  for (const { ids, segments, positions, rows, targets } of batches) {
    if (rows.length === 0) continue;
    const hidden = await forwardHidden(model, ids, 1, { segments, positions, ...(signal && { signal }) });
    const index = tf.tensor1d(rows, "int32");
    const chosen = tf.gather(hidden, index);
    try {
      const { ce, numTokens } = await languageModelLoss({
        hidden: chosen,
        head: model.head,
        labels: targets,
        loss: { kind: "cross-entropy" },
      });
      sum += ce * numTokens;
      count += numTokens;
    } finally {
      tf.dispose([hidden, index, chosen]);
    }
  }
  return sum / count;
}

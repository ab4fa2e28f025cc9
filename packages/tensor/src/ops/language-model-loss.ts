import { ShapeError, UsageError } from "@sdmprune/core";
import type * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";
import { readLabelLogits } from "./label-logits.js";
import { ChunkedLogits, type LanguageModelHead, vocabularyChunks } from "./language-model-head.js";
import { lossGradientPass } from "./loss-gradient-pass.js";
import { checkLossSpec, type LossSpec } from "./loss-spec.js";
import { givenTargets, type LossTargets, lossTargets, rowWeights } from "./loss-targets.js";

export interface LanguageModelLossOptions {
  /** Output of the final norm; `[N, H]` with `N = batch * length`. Not disposed. */
  hidden: tf.Tensor2D;
  head: LanguageModelHead;
  /** The tokens that were fed in; `[N]` in row-major order. Each row's label is the next one. */
  ids?: Int32Array | undefined;
  /** Number of sequences that `ids` holds. */
  batch?: number | undefined;
  /**
   * The label of every row instead of `ids`, where the caller has shifted them itself; `[N]`. A row with a negative label
   * (-100 of transformers) counts nowhere, neither in the cross-entropy nor in the KL divergence.
   */
  labels?: Int32Array | undefined;
  loss: LossSpec;
  /** The model whose distribution `blend` compares with; its own hidden size, the same vocabulary. */
  teacher?: { hidden: tf.Tensor2D; head: LanguageModelHead } | undefined;
  /** `[N]`; 1 takes a token out: it is not predicted, nor compared with the teacher's (the label -100 of transformers). */
  ignoreMask?: ArrayLike<number | boolean> | undefined;
  /**
   * What the sums over rows are divided by in the gradient, instead of the number of rows that count: for gradients that
   * are added up over several calls. The returned losses stay means.
   */
  normalizer?: number | undefined;
  /** Whether to return `dHidden`. Default false. */
  needGradient?: boolean | undefined;
  /**
   * Takes the gradient of rows `start` to `end` of the head's weight; `[end - start, H]`. Called once per chunk, in
   * order, and awaited; the tensor is disposed afterwards.
   */
  onHeadGradient?: ((start: number, end: number, gradient: tf.Tensor2D) => void | Promise<void>) | undefined;
  /**
   * Bytes of logits to keep from the first pass for the second. What does not fit is computed anew, to the same bits.
   * Default 512 MiB.
   */
  keepLogitsBytes?: number | undefined;
}

export interface LanguageModelLoss {
  /** What `loss` asks for, in float64. May be NaN or infinite if the model is; the caller checks. */
  loss: number;
  /** Mean cross-entropy of the predicted tokens in nats; NaN if no token is predicted. */
  ce: number;
  /** Mean KL divergence from the teacher; undefined without one. */
  kd: number | undefined;
  /** Number of predicted tokens, the ones that `ce` is the mean of. */
  numTokens: number;
  /**
   * Log-probability of every token given those before it; `[N]`, NaN at the first of each sequence. With `labels`, of
   * every row's label, NaN where there is none.
   */
  tokenLogProbs: Float64Array;
  /** Gradient by `hidden`; `[N, H]`. The caller disposes it. */
  dHidden?: tf.Tensor2D;
}

const DEFAULT_KEEP_LOGITS_BYTES = 512 * 1024 ** 2;

/**
 * Loss of a language model and its gradient, the head included, in chunks of the vocabulary: the first pass collects
 * each row's softmax statistics, the second forms the gradient by a chunk of logits and folds it into `dHidden`.
 * Nothing of shape `[N, V]` is alive, apart from logits that `keepLogitsBytes` allows to be kept.
 *
 * @throws {ShapeError} If shapes, batch and vocabulary sizes do not fit, or cross-entropy is wanted and no token is predicted.
 * @throws {UsageError} If `alpha`, `tau` or an id is out of range, or a teacher is missing.
 */
export async function languageModelLoss(options: LanguageModelLossOptions): Promise<LanguageModelLoss> {
  const { hidden, head, loss } = options;
  const targets = checkLoss(options);
  const teacher = loss.kind === "blend" ? options.teacher : undefined;
  const kind = loss.kind === "blend" && !teacher ? "cross-entropy" : loss.kind;
  const inverseTemperature = loss.kind === "blend" ? 1 / loss.tau : 1;
  const needsSecondPass = Boolean(options.needGradient || options.onHeadGradient || teacher);
  const logitsBytes = targets.labels.length * head.vocabSize * 4 * (teacher ? 2 : 1);
  const keep = needsSecondPass && logitsBytes <= (options.keepLogitsBytes ?? DEFAULT_KEEP_LOGITS_BYTES);

  const logits = new ChunkedLogits(hidden, head, 1, keep, kind === "entropy");
  const teacherLogits = teacher && new ChunkedLogits(teacher.hidden, teacher.head, inverseTemperature, keep);
  try {
    const labelLogits = new Float64Array(targets.labels.length).fill(NaN);
    for (const { start, end } of vocabularyChunks(head)) {
      await logits.firstPass(start, end, (z) => readLabelLogits(z, start, targets.labels, labelLogits));
      await teacherLogits?.firstPass(start, end);
    }
    const rows = await logits.rowValues();
    const logProbs = labelLogits.map((z, n) => z - rows.max[n]! - Math.log(rows.sum[n]!));
    const entropies = rows.weighted?.map((w, n) => Math.log(rows.sum[n]!) - w / rows.sum[n]!);
    const isCounted = (n: number): boolean => targets.counts[n] === 1;
    const ce = -meanWhere(logProbs, (n) => targets.predicts[n] === 1);

    const second = needsSecondPass
      ? await lossGradientPass({
          kind,
          inverseTemperature,
          logits,
          teacherLogits,
          labels: targets.labels,
          weights: rowWeights(targets, loss, options.normalizer),
          entropies,
          needGradient: options.needGradient,
          onHeadGradient: options.onHeadGradient,
        })
      : {};
    const kd = second.kdRows && meanWhere(second.kdRows, isCounted);
    return {
      loss: combine(loss, ce, kd, entropies && meanWhere(entropies, isCounted)),
      ce,
      kd,
      numTokens: targets.numPredicted,
      tokenLogProbs: options.labels ? logProbs : alignToTokens(logProbs),
      ...(second.dHidden && { dHidden: second.dHidden }),
    };
  } finally {
    logits.dispose();
    teacherLogits?.dispose();
  }
}

function combine(loss: LossSpec, ce: number, kd: number | undefined, entropy: number | undefined): number {
  if (loss.kind === "entropy") return entropy!;
  if (loss.kind === "cross-entropy" || loss.alpha === 0) return ce;
  return loss.alpha === 1 ? kd! : (1 - loss.alpha) * ce + loss.alpha * kd!;
}

function meanWhere(values: Float64Array, isCounted: (n: number) => boolean): number {
  let sum = 0;
  let count = 0;
  values.forEach((value, n) => {
    if (!isCounted(n)) return;
    sum += value;
    count++;
  });
  return sum / count;
}

/** From the row that predicts to the token that is predicted; the first of a sequence has none. */
function alignToTokens(logProbs: Float64Array): Float64Array {
  const aligned = new Float64Array(logProbs.length).fill(NaN);
  aligned.set(logProbs.subarray(0, -1), 1); // the last row of a sequence is NaN already
  return aligned;
}

function checkLoss({
  hidden,
  head,
  ids,
  batch,
  labels,
  loss,
  teacher,
  ignoreMask,
}: LanguageModelLossOptions): LossTargets {
  const where = "languageModelLoss";
  if (!Number.isSafeInteger(head.chunkSize) || head.chunkSize < 1) {
    throw new UsageError(`${where}: head.chunkSize must be a positive integer, got ${head.chunkSize}.`);
  }
  if ((ids === undefined) === (labels === undefined)) {
    throw new UsageError(`${where}: expected either ids or labels, got ${ids ? "both" : "neither"}.`);
  }
  const targets = labels
    ? givenTargets(labels, head.vocabSize)
    : lossTargets(ids!, batch ?? 1, head.vocabSize, ignoreMask);
  const N = targets.labels.length;
  checkShape(where, "hidden", hidden, ["N", "H"], { N });
  checkLossSpec(where, loss, teacher !== undefined);
  if (teacher) {
    checkShape(where, "teacher.hidden", teacher.hidden, ["N", "teacher H"], { N });
    if (teacher.head.vocabSize !== head.vocabSize) {
      throw new ShapeError(
        `${where}: teacher and model must share a vocabulary, got ${teacher.head.vocabSize} and ${head.vocabSize} tokens.`,
      );
    }
  }
  const needsLabels = loss.kind === "cross-entropy" || (loss.kind === "blend" && loss.alpha < 1);
  const needsPositions = loss.kind === "entropy" || (loss.kind === "blend" && loss.alpha > 0);
  if (needsLabels && targets.numPredicted === 0) {
    throw new ShapeError(
      `${where}: cross-entropy needs a predicted token; the sequences hold one token each or all are ignored.`,
    );
  }
  if (needsPositions && targets.numPositions === 0) {
    throw new ShapeError(
      `${where}: expected a token that counts, got an ignoreMask that takes all ${N} out.`,
    );
  }
  return targets;
}

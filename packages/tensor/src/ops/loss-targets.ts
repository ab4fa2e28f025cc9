import { ShapeError, UsageError } from "@sdmprune/core";
import type { LossSpec } from "./loss-spec.js";

/** Which rows of a batch predict what; row `n` is position `t` of sequence `b`, `n = b*T + t`. */
export interface LossTargets {
  /** The id that row `n` predicts, which is the next one; -1 at the end of a sequence. `[N]` */
  readonly labels: Int32Array;
  /** Whether row `n` counts in the cross-entropy: it has a label, and the label is not ignored. `[N]` */
  readonly predicts: Uint8Array;
  /** Whether position `n` is not ignored, and so counts in the KL divergence and the entropy. `[N]` */
  readonly counts: Uint8Array;
  /** Number of rows that count in the cross-entropy. */
  readonly numPredicted: number;
  /** Number of positions that are not ignored. */
  readonly numPositions: number;
}

/**
 * Shifts ids into labels.
 *
 * @param ids - `[B*T]` in row-major order.
 * @param batch - `B`.
 * @param vocabSize - Ids must be below it.
 * @param ignoreMask - `[B*T]`; 1 takes a token out, as the label -100 does in transformers.
 * @throws {ShapeError} If the lengths do not fit.
 * @throws {UsageError} If an id is out of range.
 */
export function lossTargets(
  ids: Int32Array,
  batch: number,
  vocabSize: number,
  ignoreMask?: ArrayLike<number | boolean>,
): LossTargets {
  const rows = ids.length;
  if (!Number.isSafeInteger(batch) || batch < 1 || rows === 0 || rows % batch !== 0) {
    throw new ShapeError(
      `languageModelLoss: ids must hold batch * length ids, got ${rows} ids for a batch of ${batch}.`,
    );
  }
  if (ignoreMask && ignoreMask.length !== rows) {
    throw new ShapeError(
      `languageModelLoss: ignoreMask must have one entry per id (${rows}), got ${ignoreMask.length}.`,
    );
  }
  const bad = ids.findIndex((id) => id < 0 || id >= vocabSize);
  if (bad >= 0) {
    throw new UsageError(
      `languageModelLoss: ids[${bad}] must be from 0 to ${vocabSize - 1}, got ${ids[bad]}. Do tokenizer and model belong together?`,
    );
  }
  const length = rows / batch;
  const labels = new Int32Array(rows).fill(-1);
  const predicts = new Uint8Array(rows);
  const counts = new Uint8Array(rows);
  let numPredicted = 0;
  let numPositions = 0;
  for (let n = 0; n < rows; n++) {
    if (!ignoreMask?.[n]) {
      counts[n] = 1;
      numPositions++;
    }
    if (n % length === length - 1) continue;
    labels[n] = ids[n + 1]!;
    if (ignoreMask?.[n + 1]) continue;
    predicts[n] = 1;
    numPredicted++;
  }
  return { labels, predicts, counts, numPredicted, numPositions };
}

/**
 * The targets of rows whose labels the caller has.
 *
 * @param given - Negative where a row predicts nothing.
 * @throws {UsageError} If a label is out of range.
 */
export function givenTargets(given: Int32Array, vocabSize: number): LossTargets {
  const bad = given.findIndex((label) => label >= vocabSize);
  if (bad >= 0) {
    throw new UsageError(
      `languageModelLoss: labels[${bad}] must be below ${vocabSize}, got ${given[bad]}. Do tokenizer and model belong together?`,
    );
  }
  const labels = given.map((label) => Math.max(label, -1));
  const predicts = Uint8Array.from(labels, (label) => (label >= 0 ? 1 : 0));
  const count = predicts.reduce((sum, isCounted) => sum + isCounted, 0);
  return { labels, predicts, counts: predicts, numPredicted: count, numPositions: count };
}

/** Weight in the gradient of every row's one-hot (or entropy) part and of its teacher part; `[N]` each. */
export function rowWeights(
  { predicts, counts, numPredicted, numPositions }: LossTargets,
  loss: LossSpec,
  normalizer?: number,
): { label: Float32Array; teacher: Float32Array } {
  const alpha = loss.kind === "blend" ? loss.alpha : 0;
  const spread = (rows: Uint8Array, weight: number): Float32Array =>
    Float32Array.from(rows, (isCounted) => (isCounted ? weight : 0));
  return {
    label:
      loss.kind === "entropy"
        ? spread(counts, 1 / (normalizer ?? numPositions))
        : spread(predicts, (1 - alpha) / (normalizer ?? numPredicted)),
    teacher: spread(counts, alpha / (normalizer ?? numPositions)),
  };
}

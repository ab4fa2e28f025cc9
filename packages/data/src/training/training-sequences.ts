import { Rng, UsageError } from "@sdmprune/core";
import { packRows } from "./pack-rows.js";
import type { TrainingData } from "./tokenize-training-data.js";

/** A label that no loss is on, as in `transformers`. */
export const IGNORED_LABEL = -100;

/** One sequence of a training batch. `T` = tokens, at most max-length. */
export interface TrainingSequence {
  /** Shape `[T]`. */
  readonly ids: Int32Array;
  /**
   * Shape `[T]`, not shifted, as `transformers` takes them: `labels[t]` is `ids[t]`, which position `t - 1` is to
   * predict, or {@link IGNORED_LABEL} in a prompt and at the first token of every segment.
   */
  readonly labels: Int32Array;
  /** Tokens of each segment, in order; they sum to `T`. Attention must not reach across. */
  readonly segmentLengths: readonly number[];
}

/** The sequences of one epoch, made when asked for. */
export interface TrainingSequences {
  /** Number of sequences. */
  readonly length: number;
  /** Tokens in all sequences. */
  readonly numTokens: number;
  /** Labels in all sequences that a loss is on. */
  readonly numLossTokens: number;
  /** @throws {UsageError} If there is no sequence `index`. */
  get(index: number): TrainingSequence;
  /** What messages call the rows of a sequence, one for each segment. */
  names(index: number): string[];
}

export interface TrainingSequencesOptions {
  /** The order of the rows is a function of `seed` and `epoch`. Without a seed they keep their order. */
  seed?: number;
  /** Default 0. */
  epoch?: number;
  /** Whether a sequence holds as many rows as fit in max-length (default), or one row each. */
  packing?: boolean;
}

/**
 * Lays the rows of one epoch out as sequences of up to `data.maxLength` tokens: in a random order, packed greedily
 * one after another. An instruction with its response stays in one piece; documents fill sequences up and go on in
 * the next one, so that the parts are segments of their own.
 *
 * The same data, seed and epoch give the same sequences on every machine. Takes about 20 bytes a row.
 */
export function trainingSequences(
  data: TrainingData,
  { seed, epoch = 0, packing = true }: TrainingSequencesOptions = {},
): TrainingSequences {
  const { store, maxLength } = data;
  if (!Number.isSafeInteger(epoch) || epoch < 0) {
    throw new UsageError(`epoch: expected an integer from 0, got ${epoch}.`);
  }
  const order =
    seed === undefined ? data.rows : new Rng(seed, `training/epoch-${epoch}`).shuffle(Array.from(data.rows));
  const plan = packRows(order, {
    length: (row) => store.length(row),
    isSplittable: (row) => store.isSplittable(row),
    maxLength,
    packing,
  });
  /** First position of a segment, counted in its row, that a loss is on. */
  const lossFrom = (segment: number): number =>
    Math.max(store.promptLength(plan.rows[segment]!), plan.offsets[segment]! + 1);
  let numTokens = 0;
  let numLossTokens = 0;
  for (let segment = 0; segment < plan.rows.length; segment++) {
    const length = plan.lengths[segment]!;
    numTokens += length;
    numLossTokens += Math.max(0, plan.offsets[segment]! + length - lossFrom(segment));
  }
  const length = plan.starts.length - 1;
  const segmentsOf = (index: number): number[] => {
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new UsageError(`${data.name}: expected a sequence from 0 to ${length - 1}, got ${index}.`);
    }
    const from = plan.starts[index]!;
    return Array.from({ length: plan.starts[index + 1]! - from }, (_, i) => from + i);
  };
  return {
    length,
    numTokens,
    numLossTokens,
    get(index) {
      const segments = segmentsOf(index);
      const segmentLengths = segments.map((segment) => plan.lengths[segment]!);
      const ids = new Int32Array(segmentLengths.reduce((a, b) => a + b, 0));
      const labels = new Int32Array(ids.length).fill(IGNORED_LABEL);
      let at = 0;
      for (const [i, segment] of segments.entries()) {
        const offset = plan.offsets[segment]!;
        const end = at + segmentLengths[i]!;
        store.copy(plan.rows[segment]!, offset, segmentLengths[i]!, ids, at);
        const from = Math.min(end, at + lossFrom(segment) - offset);
        labels.set(ids.subarray(from, end), from);
        at = end;
      }
      return { ids, labels, segmentLengths };
    },
    names: (index) => segmentsOf(index).map((segment) => store.name(plan.rows[segment]!)),
  };
}

import type { TrainingSequence } from "@sdmprune/data";

/** Sequences that run through the model together: laid end to end, each segment attended to by itself, without padding. */
export interface MicroBatch {
  /** Shape `[N]`. */
  readonly ids: Int32Array;
  readonly segments: readonly { readonly length: number }[];
  /** Position of every token; shape `[N]`. */
  readonly positions: Int32Array;
  /** Rows whose next token a loss is on. */
  readonly rows: Int32Array;
  /** The ids that these rows are to predict. */
  readonly targets: Int32Array;
}

/**
 * Joins sequences.
 *
 * @param resetPositions - Whether positions begin at 0 in every segment, or only in every sequence.
 */
export function microBatch(sequences: readonly TrainingSequence[], resetPositions = true): MicroBatch {
  const length = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const ids = new Int32Array(length);
  const positions = new Int32Array(length);
  const rows: number[] = [];
  const targets: number[] = [];
  let start = 0; // of the segment, in the batch
  for (const sequence of sequences) {
    const begin = start;
    ids.set(sequence.ids, begin);
    let position = 0;
    for (const segmentLength of sequence.segmentLengths) {
      if (resetPositions) position = 0;
      for (let t = 0; t < segmentLength; t++) positions[start + t] = position++;
      // labels[t] is ids[t] itself, which the row before it predicts; the first one of a segment has none.
      for (let t = 1; t < segmentLength; t++) {
        const label = sequence.labels[start - begin + t]!;
        if (label < 0) continue;
        rows.push(start + t - 1);
        targets.push(label);
      }
      start += segmentLength;
    }
  }
  const segments = sequences.flatMap(({ segmentLengths }) => segmentLengths.map((n) => ({ length: n })));
  return { ids, segments, positions, rows: Int32Array.from(rows), targets: Int32Array.from(targets) };
}

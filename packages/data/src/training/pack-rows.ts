/** Segments of rows, grouped into sequences: sequence `i` is the segments from `starts[i]` to `starts[i + 1]`. */
export interface SequencePlan {
  /** Row of each segment. */
  readonly rows: Int32Array;
  /** Where in its row each segment begins, in tokens. */
  readonly offsets: Int32Array;
  /** Tokens of each segment. */
  readonly lengths: Int32Array;
  /** First segment of each sequence, and the number of segments at the end; one entry more than sequences. */
  readonly starts: Int32Array;
}

export interface PackRowsOptions {
  /** Tokens of row `row`. */
  length(row: number): number;
  /** Whether a row may be cut, as a document may and an instruction with its response may not. */
  isSplittable(row: number): boolean;
  maxLength: number;
  /** Whether a sequence holds as many rows as fit; if not, every row is a sequence of its own. */
  packing: boolean;
}

/**
 * Packs rows greedily in the order given: a row goes into the sequence under way if it fits, else it begins the
 * next one; nothing is moved to an earlier sequence. A splittable row fills the sequence up and goes on in the next.
 *
 *     rows       aaa bbbb cc dddddd…          maxLength 6, d splittable
 *     sequences  |aaa|bbbbcc|dddddd|…
 *
 * No row that cannot be split may be longer than `maxLength`.
 */
export function packRows(order: ArrayLike<number>, options: PackRowsOptions): SequencePlan {
  const { maxLength, packing } = options;
  const rows: number[] = [];
  const offsets: number[] = [];
  const lengths: number[] = [];
  const starts: number[] = [0];
  let used = 0; // tokens in the sequence under way
  const close = (): void => {
    if (used > 0) starts.push(rows.length);
    used = 0;
  };
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const length = options.length(row);
    const isSplittable = options.isSplittable(row);
    if (!packing || (!isSplittable && used + length > maxLength)) close();
    for (let offset = 0; offset < length;) {
      const part = Math.min(length - offset, maxLength - used);
      rows.push(row);
      offsets.push(offset);
      lengths.push(part);
      offset += part;
      used += part;
      if (used === maxLength) close();
    }
  }
  close();
  return {
    rows: Int32Array.from(rows),
    offsets: Int32Array.from(offsets),
    lengths: Int32Array.from(lengths),
    starts: Int32Array.from(starts),
  };
}

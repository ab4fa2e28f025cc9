/** Indices `start` to `end` of a list, which rise by one from the value `first`. */
export interface IndexRun {
  readonly start: number;
  readonly end: number;
  readonly first: number;
}

/** The runs of rising indices: what lies side by side can be moved in one copy. */
export function* indexRuns(indices: Int32Array): Generator<IndexRun> {
  for (let start = 0, end: number; start < indices.length; start = end) {
    const first = indices[start]!;
    end = start + 1;
    while (indices[end] === first + end - start) end++;
    yield { start, end, first };
  }
}

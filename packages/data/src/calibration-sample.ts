/** A run of one document's tokens. */
export interface TokenSpan {
  /** Id of the document. */
  readonly document: string;
  /** Where the run starts among the document's tokens, its own special tokens counted. */
  readonly offset: number;
  readonly length: number;
}

/** One calibration sample: the tokens of a window, and where they are from. */
export interface CalibrationSample {
  /** Token ids; shape `[T]`. */
  readonly ids: Int32Array;
  /** Id of the document the sample starts in. */
  readonly document: string;
  /** Where the sample starts among that document's tokens. */
  readonly offset: number;
  /** The runs it is made of, in order; a BOS put in front is not in them. */
  readonly spans: readonly TokenSpan[];
}

/** Makes a sample of runs of tokens, with `prefix` (a BOS) in front if given. */
export function createSample(
  spans: readonly TokenSpan[],
  tokens: readonly number[],
  prefix?: number,
): CalibrationSample {
  const first = spans[0]!;
  return {
    ids: Int32Array.from(prefix === undefined ? tokens : [prefix, ...tokens]),
    document: first.document,
    offset: first.offset,
    spans,
  };
}

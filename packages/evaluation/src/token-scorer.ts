/** What perplexity needs of a model. Knows no tensors, so that any engine, or a table, can be one. */
export interface TokenScorer {
  /** The longest sequence that it takes. */
  readonly maxLength: number;
  /**
   * Natural log-probabilities of `ids[numContext]` and all that follow, each given everything before it.
   *
   * @param ids - One sequence, at most `maxLength` long.
   * @param numContext - How many ids at the start are only context; at least 1.
   * @returns `ids.length - numContext` numbers.
   */
  score(ids: Int32Array, numContext: number): Promise<Float64Array>;
}

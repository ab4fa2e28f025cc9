/** Where BOS stands: at the start of every window, at the start of the text only, or nowhere. */
export type PerplexityBos = "each" | "first" | "none";

/** One sequence to score: `ids[numContext..]` count, what is before is context. */
export interface PerplexityWindow {
  readonly ids: Int32Array;
  readonly numContext: number;
  /** Position in the text of the first token that counts. */
  readonly position: number;
}

/**
 * Cuts a text's tokens into the windows of {@link perplexity}. Every window is a view or a copy of at most
 * `window` ids; windows in which nothing would count are left out.
 */
export function* perplexityWindows(
  ids: Int32Array,
  {
    window,
    stride,
    bos,
    bosTokenId,
  }: { window: number; stride: number; bos: PerplexityBos; bosTokenId?: number },
): Generator<PerplexityWindow> {
  const prefix = bos === "none" ? [] : [bosTokenId!];
  const text = bos === "first" ? Int32Array.from([...prefix, ...ids]) : ids;
  const numPrefix = bos === "each" ? 1 : 0; // ids in a window that are not in `text`
  const capacity = window - numPrefix;
  const step = Math.min(stride, capacity);
  let counted = 0; // ids of `text` that earlier windows have dealt with
  for (let begin = 0; counted < text.length; begin += step) {
    const end = Math.min(begin + capacity, text.length);
    const part = text.subarray(begin, end);
    const numContext = Math.max(1, counted - begin + numPrefix);
    const windowIds = numPrefix === 1 ? Int32Array.from([...prefix, ...part]) : part;
    const position = begin + numContext - numPrefix - (bos === "first" ? 1 : 0);
    if (windowIds.length > numContext) yield { ids: windowIds, numContext, position };
    counted = end;
  }
}

import {
  InterruptedError,
  NonFiniteError,
  silentProgress,
  startTask,
  UsageError,
  type ProgressListener,
} from "@sdmprune/core";
import { perplexityWindows, type PerplexityBos } from "./perplexity-windows.js";
import type { TokenScorer } from "./token-scorer.js";

export interface PerplexityOptions {
  /** Tokens per window, a BOS counted. Default: 2048, or the scorer's `maxLength` if that is less. */
  window?: number;
  /** How far each window starts after the one before. Default: `window`, so that windows do not overlap. */
  stride?: number;
  /** Default: `each` if there is a `bosTokenId`, else `none`. */
  bos?: PerplexityBos;
  bosTokenId?: number | undefined;
  /** Leaves out windows that are not full, as GPTQ, Wanda and LLM-Pruner do. Default false. */
  dropPartial?: boolean;
  /** Only the first so many windows count. Default: all. */
  maxWindows?: number | undefined;
  /** Told of each window as soon as it is scored: its summed negative log-likelihood, and of how many tokens. */
  onWindow?: ((window: WindowNll) => void) | undefined;
  progress?: ProgressListener;
  signal?: AbortSignal;
}

/** What one window adds to a perplexity. */
export interface WindowNll {
  /** Sum of the negative log-likelihoods of its tokens that count, in nats. */
  readonly nll: number;
  readonly tokens: number;
}

export interface Perplexity {
  /** `exp(nll)`. */
  readonly perplexity: number;
  /** Mean negative log-likelihood of a token, in nats. */
  readonly nll: number;
  /** How many tokens the mean is over. */
  readonly tokens: number;
  readonly window: number;
  readonly stride: number;
  readonly bos: PerplexityBos;
  /** Whether windows that are not full were left out. */
  readonly dropPartial?: boolean;
}

/**
 * Perplexity of a text per token, over windows. What counts, for the tokens `a b c d e f g` (`.` is context,
 * `^` is BOS, `X` counts):
 *
 *     window 4, stride 4         window 4, stride 2         window 4, stride 4
 *     bos none (first: ^ is      bos none                   bos each
 *     the text's first token)
 *     a b c d                    a b c d                    ^ a b c
 *     . X X X                    . X X X                    . X X X
 *             e f g                  c d e f                      ^ d e f
 *             . X X                  . . X X                      . X X X
 *                                        e f g                          ^ g
 *                                        . . X                          . X
 *
 * - A window's first token never counts; a token that an earlier window covered does not count again.
 * - A `stride` of `window` means that windows do not overlap: with `each`, which spends one place on BOS,
 *   they are `window - 1` tokens of text apart.
 * - The last window may be shorter; it counts if it has at least 2 tokens, unless `dropPartial` leaves it out.
 *
 * `nll` is the sum over all tokens that count divided by their number, not a mean of windows' means.
 *
 * @param ids - The text's tokens without special tokens: where BOS stands is up to `bos`.
 * @throws {UsageError} If an option is out of range, or no token counts.
 * @throws {NonFiniteError} If a log-probability is NaN or infinite.
 */
export async function perplexity(
  scorer: TokenScorer,
  ids: ArrayLike<number>,
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const {
    bosTokenId,
    dropPartial = false,
    maxWindows,
    onWindow,
    progress = silentProgress,
    signal,
  } = options;
  const { window = Math.min(2048, scorer.maxLength), bos = bosTokenId === undefined ? "none" : "each" } =
    options;
  const { stride = window } = options;
  checkOptions(scorer, { window, stride, bos, bosTokenId });

  if (maxWindows !== undefined && (!Number.isSafeInteger(maxWindows) || maxWindows < 1)) {
    throw new UsageError(`maxWindows: expected an integer of at least 1, got ${maxWindows}.`);
  }
  const windows = [...perplexityWindows(Int32Array.from(ids), { window, stride, bos, bosTokenId })]
    .filter(({ ids: windowIds }) => !dropPartial || windowIds.length === window)
    .slice(0, maxWindows);
  if (windows.length === 0) {
    const least = (dropPartial ? window : 2) - (bos === "none" ? 0 : 1);
    throw new UsageError(
      `perplexity: expected a text of at least ${least} token${least === 1 ? "" : "s"}, got ${ids.length}.`,
    );
  }
  let total = 0;
  let tokens = 0;
  const task = startTask(progress, "perplexity", { total: windows.length, unit: "windows" });
  try {
    for (const [i, { ids: windowIds, numContext, position }] of windows.entries()) {
      if (signal?.aborted) throw new InterruptedError("Interrupted while computing perplexity.");
      const logProbs = await scorer.score(windowIds, numContext);
      let nll = 0;
      for (const [j, logProb] of logProbs.entries()) {
        if (!Number.isFinite(logProb)) {
          throw new NonFiniteError(
            `perplexity: expected a finite log-probability for token ${position + j} of the text, got ${logProb}. ` +
              `The model's weights or activations are not finite.`,
          );
        }
        nll -= logProb;
      }
      total += nll;
      tokens += logProbs.length;
      onWindow?.({ nll, tokens: logProbs.length });
      task.advance(i + 1);
    }
  } finally {
    task.end();
  }
  const nll = total / tokens;
  return { perplexity: Math.exp(nll), nll, tokens, window, stride, bos, ...(dropPartial && { dropPartial }) };
}

function checkOptions(
  scorer: TokenScorer,
  {
    window,
    stride,
    bos,
    bosTokenId,
  }: { window: number; stride: number; bos: PerplexityBos; bosTokenId?: number },
): void {
  if (!Number.isSafeInteger(window) || window < 2) {
    throw new UsageError(`window: expected an integer of at least 2, got ${window}.`);
  }
  if (window > scorer.maxLength) {
    throw new UsageError(
      `window: expected at most ${scorer.maxLength}, the model's longest sequence, got ${window}.`,
    );
  }
  if (!Number.isSafeInteger(stride) || stride < 1 || stride > window) {
    throw new UsageError(`stride: expected an integer from 1 to the window (${window}), got ${stride}.`);
  }
  if (!["each", "first", "none"].includes(bos)) {
    throw new UsageError(`bos: expected each, first or none, got "${String(bos)}".`);
  }
  if (bos !== "none" && bosTokenId === undefined) {
    throw new UsageError(
      `bos: expected a tokenizer with a BOS token for "${bos}", got one without. Use "none".`,
    );
  }
}

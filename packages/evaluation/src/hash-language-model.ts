import type { LanguageModel, Loglikelihood } from "./language-model.js";

export interface HashLanguageModelOptions {
  /** Other numbers for the same texts. Default 0. */
  readonly seed?: number;
}

/**
 * A language model of no sense: its numbers are a hash of the texts. It lets a run be tried without a checkpoint, and
 * gives the same results on every machine, whatever the order of the requests.
 */
export function hashLanguageModel({ seed = 0 }: HashLanguageModelOptions = {}): LanguageModel {
  const answer = (text: string): Loglikelihood => {
    const hash = fnv1a(`${seed}/${text}`);
    return { logprob: -((hash >>> 12) + 1) / 65536, isGreedy: hash % 3 === 0, numTokens: 1 };
  };
  const answerAll = async <Q, R>(
    requests: readonly Q[],
    of: (request: Q) => R,
    { onResult, signal }: { onResult?: (index: number, result: R) => void; signal?: AbortSignal } = {},
  ): Promise<R[]> =>
    requests.map((request, i) => {
      signal?.throwIfAborted();
      const result = of(request);
      onResult?.(i, result);
      return result;
    });
  return {
    loglikelihood: (requests, options) =>
      answerAll(
        requests,
        ({ context, continuation }) => answer(JSON.stringify([context, continuation])),
        options,
      ),
    loglikelihoodRolling: (texts, options) => answerAll(texts, (text) => answer(text).logprob, options),
    generateUntil: (requests, options) =>
      answerAll(requests, ({ context }) => String(fnv1a(`${seed}/${context}`) % 10), options),
  };
}

/** FNV-1a over UTF-16 units, mixed as MurmurHash3 ends, so that similar texts get unlike numbers. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

import { Rng, UsageError } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";
import type { CausalLM } from "./causal-lm.js";
import { forwardHidden } from "./forward.js";
import { KeyValueCache } from "./key-value-cache.js";
import { headLogits } from "./language-model-head.js";
import { sampleToken, type SamplingOptions } from "./sample-token.js";

export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Tokens to generate at most. */
  readonly maxTokens: number;
  /** Seed of the draws; default 0. */
  readonly seed?: number;
  /** Tokens that end the text; default those of the model's config. */
  readonly eosTokenIds?: readonly number[];
  /** Told every token as it is chosen. */
  readonly onToken?: (id: number) => void;
  /** Asked after every token, with all new ones; true ends the text. */
  readonly isDone?: (ids: readonly number[]) => boolean;
  readonly signal?: AbortSignal;
}

export interface Generation {
  /** The new tokens, with the one that ended the text, if any, as the last. */
  readonly ids: number[];
  /** `eos`: the text ended; `length`: `maxTokens` were made; `context`: no position is left; `done`: `isDone` said so. */
  readonly stopReason: "eos" | "length" | "context" | "done";
}

/**
 * Continues a prompt: greedily, or by sampling with a temperature and top-p (Holtzman et al. 2019,
 * https://arxiv.org/abs/1904.09751). The prompt runs in one pass, then each token once, over a cache of keys
 * and values.
 *
 * @param prompt - At least one token id.
 * @throws {UsageError} If an option is out of range, the prompt is empty, or it is longer than the model's positions.
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function generate(
  model: CausalLM,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): Promise<Generation> {
  const { maxTokens, temperature = 0, topP = 1, seed = 0, onToken, isDone, signal } = options;
  checkOptions(maxTokens, temperature, topP, prompt.length);
  const eos = new Set(options.eosTokenIds ?? model.config.eosTokenIds);
  const rng = new Rng(seed, "generate");
  const cache = new KeyValueCache(model.config.numLayers);
  const ids: number[] = [];
  try {
    let next = Int32Array.from(prompt);
    while (ids.length < maxTokens) {
      if (cache.length + next.length > model.config.maxPositionEmbeddings && ids.length > 0) {
        return { ids, stopReason: "context" };
      }
      const logits = await lastLogits(model, next, cache, signal);
      const id = sampleToken(logits, { temperature, topP }, rng);
      ids.push(id);
      onToken?.(id);
      if (eos.has(id)) return { ids, stopReason: "eos" };
      if (isDone?.(ids)) return { ids, stopReason: "done" };
      next = Int32Array.of(id);
    }
    return { ids, stopReason: "length" };
  } finally {
    cache.dispose();
  }
}

/** Logits after the last of `ids`, which extend the cache. */
async function lastLogits(
  model: CausalLM,
  ids: Int32Array,
  cache: KeyValueCache,
  signal: AbortSignal | undefined,
): Promise<ArrayLike<number>> {
  const hidden = await forwardHidden(model, ids, 1, { cache, ...(signal && { signal }) });
  const last = tf.slice(hidden, [ids.length - 1, 0], [1, hidden.shape[1]]);
  hidden.dispose();
  try {
    const logits = await headLogits(model.head, last);
    try {
      return await logits.data();
    } finally {
      logits.dispose();
    }
  } finally {
    last.dispose();
  }
}

function checkOptions(maxTokens: number, temperature: number, topP: number, promptLength: number): void {
  const problem =
    !Number.isSafeInteger(maxTokens) || maxTokens < 0
      ? `maxTokens: expected a whole number from 0, got ${maxTokens}`
      : !(temperature >= 0 && temperature < Infinity)
        ? `temperature: expected a number from 0, got ${temperature}`
        : !(topP > 0 && topP <= 1)
          ? `topP: expected a number in (0, 1], got ${topP}`
          : promptLength === 0
            ? "prompt: expected at least one token, got none. Start with the model's BOS token"
            : undefined;
  if (problem) throw new UsageError(`generate: ${problem}.`);
}

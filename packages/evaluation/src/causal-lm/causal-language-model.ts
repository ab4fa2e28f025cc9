import { UsageError } from "@sdmprune/core";
import type { Tokenizer } from "@sdmprune/model-io";
import type { CausalLM } from "@sdmprune/models";
import type { LanguageModel, Loglikelihood } from "../language-model.js";
import type { TaskVersion } from "../task-config.js";
import { encodeRequests, type TextEncoding, type TokenRequest } from "./encode-requests.js";
import { generateText } from "./generate-text.js";
import { requestBatches, truncateLeft } from "./request-batches.js";
import { rollingWindows } from "./rolling-windows.js";
import { scoreBatch } from "./score-batch.js";

export interface CausalLanguageModelOptions {
  /**
   * Continuations that are computed together at most. "auto" (the default) fills batches to a fixed number of tokens.
   * Results do not depend on it.
   */
  readonly batchSize?: number | "auto";
  /**
   * Whether to add the tokenizer's special tokens, such as BOS, to every text (lm-eval's `add_bos_token`). Default: as
   * the version of lm-eval does, so `pinned` no and `current` yes. Always for Gemma, which needs it.
   */
  readonly addBos?: boolean;
  /** Tokens of a sequence at most; longer ones lose their start. Default: the model's `maxPositionEmbeddings`. */
  readonly maxLength?: number;
  /** The token that a text without context is scored after. Default: BOS, or else EOS. */
  readonly prefixTokenId?: number;
  /** Which lm-eval to follow where versions differ. Default `pinned`. */
  readonly version?: TaskVersion;
  /** Seed of texts that are written at a temperature above 0; each starts from it. Default 0. */
  readonly seed?: number;
}

/**
 * Lets tasks ask a model of @sdmprune/models, as lm-evaluation-harness asks one of transformers
 * (https://github.com/EleutherAI/lm-evaluation-harness, `models/huggingface.py`). Logits are float32, their softmax and
 * all sums float64. What requests have in common is computed once, and every number depends on its request alone. The
 * model stays the caller's; nothing is to be disposed.
 *
 * @throws {UsageError} If an option does not fit the model, or there is no token to put before a text.
 */
export function causalLanguageModel(
  model: CausalLM,
  tokenizer: Pick<Tokenizer, "encode" | "decode" | "bosTokenId" | "eosTokenId">,
  options: CausalLanguageModelOptions = {},
): LanguageModel {
  const { batchSize = "auto", version = "pinned", seed = 0 } = options;
  const maxLength = checkedLength(options.maxLength, model.config.maxPositionEmbeddings);
  const isGemma = model.config.modelType.includes("gemma");
  const encoding: TextEncoding = {
    tokenizer,
    addSpecialTokens: isGemma || (options.addBos ?? version === "current"),
    prefixTokenId: prefixToken(options.prefixTokenId ?? tokenizer.bosTokenId ?? tokenizer.eosTokenId),
    version,
  };
  requestBatches([], batchSize); // refuses a bad size now

  /** Scores requests batch by batch and tells each result. */
  const scoreAll = async (
    requests: readonly TokenRequest[],
    onScore: (request: number, score: Loglikelihood) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const cut = requests.map((request) => truncateLeft(request, maxLength));
    for (const batch of requestBatches(cut, batchSize)) {
      const scores = await scoreBatch(model, batch, signal);
      batch.forEach(({ continuations }, g) =>
        continuations.forEach((continuation, c) =>
          continuation.requests.forEach((request) => onScore(request, scores[g]![c]!)),
        ),
      );
    }
  };

  return {
    async loglikelihood(requests, { onResult, signal } = {}) {
      const results = new Array<Loglikelihood>(requests.length);
      await scoreAll(
        encodeRequests(requests, encoding),
        (i, score) => {
          results[i] = score;
          onResult?.(i, score);
        },
        signal,
      );
      return results;
    },

    async loglikelihoodRolling(texts, { onResult, signal } = {}) {
      const windows = texts.flatMap((text, i) => {
        const ids = tokenizer.encode(text, { addSpecialTokens: encoding.addSpecialTokens });
        return rollingWindows(ids, encoding.prefixTokenId, maxLength).map((window) => ({ text: i, window }));
      });
      const logprobs = texts.map((): number[] => []); // by text and window
      const results = new Array<number>(texts.length);
      const firstWindow = texts.map(() => 0);
      const missing = texts.map(() => 0);
      windows.forEach(({ text }, w) => {
        if (missing[text]!++ === 0) firstWindow[text] = w;
      });
      const finish = (text: number): void => {
        results[text] = logprobs[text]!.reduce((sum, logprob) => sum + logprob, 0);
        onResult?.(text, results[text]);
      };
      missing.forEach((count, text) => count === 0 && finish(text)); // a text without tokens
      await scoreAll(
        windows.map(({ window }) => window),
        (w, { logprob }) => {
          const { text } = windows[w]!;
          logprobs[text]![w - firstWindow[text]!] = logprob;
          if (--missing[text]! === 0) finish(text);
        },
        signal,
      );
      return results;
    },

    async generateUntil(requests, { onResult, signal } = {}) {
      const results: string[] = [];
      for (const [i, request] of requests.entries()) {
        const { addSpecialTokens } = encoding;
        results.push(
          await generateText(model, request, { tokenizer, addSpecialTokens, maxLength, seed, signal }),
        );
        onResult?.(i, results[i]!);
      }
      return results;
    },
  };
}

function checkedLength(maxLength: number | undefined, limit: number): number {
  if (maxLength === undefined) return limit;
  if (Number.isSafeInteger(maxLength) && maxLength >= 1 && maxLength <= limit) return maxLength;
  throw new UsageError(
    `maxLength: expected a whole number from 1 to ${limit} (max_position_embeddings), got ${maxLength}.`,
  );
}

function prefixToken(id: number | undefined): number {
  if (id !== undefined) return id;
  throw new UsageError(
    "prefixTokenId: expected a BOS or EOS token in the tokenizer, got neither. Say which token stands before a text.",
  );
}

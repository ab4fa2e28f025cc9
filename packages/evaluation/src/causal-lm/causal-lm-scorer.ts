import { UsageError } from "@sdmprune/core";
import { forwardHidden, type CausalLM } from "@sdmprune/models";
import { languageModelLoss, tf } from "@sdmprune/tensor";
import type { TokenScorer } from "../token-scorer.js";

export interface CausalLMScorerOptions {
  /** Default: the model's `maxPositionEmbeddings`. */
  maxLength?: number;
  /** Ends a pass between two blocks. */
  signal?: AbortSignal;
}

/**
 * Lets a model of @sdmprune/models be evaluated. Log-probabilities are those of float32 logits, their
 * normalisation in float64; the head walks the vocabulary in chunks and skips the rows of mere context. The
 * model stays the caller's; nothing is to be disposed.
 */
export function causalLMScorer(
  model: CausalLM,
  { maxLength, signal }: CausalLMScorerOptions = {},
): TokenScorer {
  return {
    maxLength: maxLength ?? model.config.maxPositionEmbeddings,
    async score(ids, numContext) {
      if (!Number.isInteger(numContext) || numContext < 1 || numContext >= ids.length) {
        throw new UsageError(
          `causalLMScorer: expected numContext from 1 to ${ids.length - 1} for ${ids.length} ids, got ${numContext}.`,
        );
      }
      const all = await forwardHidden(model, ids, 1, signal ? { signal } : {}); // [T, H]
      const first = numContext - 1; // the row that predicts the first token wanted
      const hidden = tf.slice(all, [first, 0]); // [T - first, H]
      try {
        const { tokenLogProbs } = await languageModelLoss({
          hidden,
          head: model.head,
          ids: ids.subarray(first),
          batch: 1,
          loss: { kind: "cross-entropy" },
        });
        return tokenLogProbs.slice(1);
      } finally {
        tf.dispose([all, hidden]);
      }
    },
  };
}

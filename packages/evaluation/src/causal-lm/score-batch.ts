import { forwardHidden, type CausalLM } from "@sdmprune/models";
import type { AttentionSegment } from "@sdmprune/tensor";
import type { Loglikelihood } from "../language-model.js";
import { nextTokenScores, type TokenQuery } from "./next-token-scores.js";
import type { ContextGroup } from "./request-batches.js";

/**
 * Scores all continuations of a batch in one pass. Contexts and continuations lie one after another without padding,
 * and each continuation sees its own tokens and its context's; so contexts are computed once, and a continuation's
 * numbers are the same, to the bit, whatever it is batched with.
 *
 * @returns Scores by group and continuation.
 */
export async function scoreBatch(
  model: CausalLM,
  groups: readonly ContextGroup[],
  signal?: AbortSignal,
): Promise<Loglikelihood[][]> {
  const ids: number[] = [];
  const segments: AttentionSegment[] = [];
  const queries: TokenQuery[] = [];
  for (const { context, continuations } of groups) {
    const contextSegment = segments.length;
    segments.push({ length: context.length });
    ids.push(...context);
    const lastOfContext = ids.length - 1;
    for (const { tokens } of continuations) {
      const start = ids.length;
      // Token t is predicted by the one before it: the context's last, or the continuation's own.
      tokens.forEach((token, t) => queries.push({ row: t === 0 ? lastOfContext : start + t - 1, token }));
      if (tokens.length === 1) continue;
      segments.push({ length: tokens.length - 1, after: contextSegment });
      ids.push(...tokens.slice(0, -1));
    }
  }
  const hidden = await forwardHidden(model, Int32Array.from(ids), 1, { segments, ...(signal && { signal }) });
  try {
    const scores = await nextTokenScores(model.head, hidden, queries);
    let next = 0;
    return groups.map(({ continuations }) =>
      continuations.map(({ tokens }) => {
        const own = scores.slice(next, (next += tokens.length));
        return {
          logprob: own.reduce((sum, { logprob }) => sum + logprob, 0),
          isGreedy: own.every(({ isGreedy }) => isGreedy),
          numTokens: tokens.length,
        };
      }),
    );
  } finally {
    hidden.dispose();
  }
}

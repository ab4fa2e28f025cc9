import { SdmPruneError } from "@sdmprune/core";
import type { Tokenizer } from "@sdmprune/model-io";
import type { LoglikelihoodRequest } from "../language-model.js";
import { pythonRightStrip } from "../python-text.js";
import type { TaskVersion } from "../task-config.js";

/** What of a tokenizer decides how a text is scored. */
export interface TextEncoding {
  readonly tokenizer: Pick<Tokenizer, "encode">;
  /** Whether to put in what the tokenizer's post-processor adds to a text, such as a BOS token. */
  readonly addSpecialTokens: boolean;
  /** The token that a text without context is scored after. */
  readonly prefixTokenId: number;
  /** Which lm-eval encodes a continuation without context: today's takes no special tokens into it. */
  readonly version: TaskVersion;
}

/** Tokens to score, and the tokens that they follow. */
export interface TokenRequest {
  /** At least one. */
  readonly context: readonly number[];
  /** At least one. */
  readonly continuation: readonly number[];
}

/**
 * Tokens of requests, as lm-eval makes them. White space at the end of the context moves to the continuation, both are
 * encoded as one text, and the continuation's tokens are those past as many as the context has when it stands alone, so
 * that a token across the border does not shorten the context.
 *
 * @throws {SdmPruneError} If a context or a continuation has no token.
 */
export function encodeRequests(
  requests: readonly LoglikelihoodRequest[],
  { tokenizer, addSpecialTokens, prefixTokenId, version }: TextEncoding,
): TokenRequest[] {
  let last = { text: "", ids: [] as readonly number[] }; // choices of one question follow each other
  const contextIds = (text: string): readonly number[] => {
    if (text !== last.text || text === "") {
      last = { text, ids: tokenizer.encode(text, { addSpecialTokens }) };
    }
    return last.ids;
  };
  return requests.map(({ context: text, continuation }) => {
    if (text === "") {
      const special = addSpecialTokens && version === "pinned";
      const ids = tokenizer.encode(continuation, { addSpecialTokens: special });
      const isPrefixed = version === "current" && ids[0] === prefixTokenId;
      return checked(
        { context: [prefixTokenId], continuation: isPrefixed ? ids.slice(1) : ids },
        continuation,
      );
    }
    const context = contextIds(pythonRightStrip(text));
    const ids = tokenizer.encode(text + continuation, { addSpecialTokens });
    return checked({ context, continuation: ids.slice(context.length) }, continuation);
  });
}

function checked(request: TokenRequest, text: string): TokenRequest {
  const missing =
    request.continuation.length === 0 ? "continuation" : request.context.length === 0 ? "context" : undefined;
  if (!missing) return request;
  throw new SdmPruneError(
    `loglikelihood: expected a ${missing} of at least one token, got none for the continuation ${JSON.stringify(text)}. Check the task's prompt and the tokenizer.`,
  );
}

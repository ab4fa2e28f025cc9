import { UsageError } from "@sdmprune/core";
import type { TokenRequest } from "./encode-requests.js";

/** Continuations of one context, which are computed together over it. */
export interface ContextGroup {
  readonly context: readonly number[];
  readonly continuations: readonly Continuation[];
}

export interface Continuation {
  readonly tokens: readonly number[];
  /** The requests that asked for it. */
  readonly requests: readonly number[];
}

/** Tokens of a batch of size "auto": products of fewer rows waste the cores, and of more are no faster. */
const AUTO_TOKENS = 1024;

/**
 * Puts requests into batches. Equal requests are asked once, those with one context stand together, and the longest
 * come first, so that memory runs out at the start if at all.
 *
 * @param requests - Cut to the model's length, see {@link truncateLeft}.
 * @param batchSize - Continuations in one batch at most; "auto" fills batches to a fixed number of tokens.
 */
export function requestBatches(
  requests: readonly TokenRequest[],
  batchSize: number | "auto",
): ContextGroup[][] {
  if (batchSize !== "auto" && !(Number.isSafeInteger(batchSize) && batchSize > 0)) {
    throw new UsageError(`batchSize: expected a whole number from 1 or "auto", got ${batchSize}.`);
  }
  const batches: ContextGroup[][] = [];
  let room = 0;
  for (const group of groupByContext(requests)) {
    for (const part of splitGroup(group, batchSize)) {
      const size = sizeOf(part, batchSize);
      if (size > room || batches.length === 0) {
        batches.push([]);
        room = batchSize === "auto" ? AUTO_TOKENS : batchSize;
      }
      batches.at(-1)!.push(part);
      room -= size;
    }
  }
  return batches;
}

/** Leaves out tokens at the start of the context until a model of `maxLength` positions can score the rest. */
export function truncateLeft(request: TokenRequest, maxLength: number): TokenRequest {
  const { context, continuation } = request;
  if (continuation.length > maxLength) {
    throw new UsageError(
      `loglikelihood: expected a continuation of at most ${maxLength} tokens, the model's longest sequence, got ${continuation.length}.`,
    );
  }
  const surplus = context.length + continuation.length - (maxLength + 1); // the last token is no input
  return surplus > 0 ? { context: context.slice(surplus), continuation } : request;
}

/** Groups by context, longest first; equal continuations are one. */
function groupByContext(requests: readonly TokenRequest[]): ContextGroup[] {
  const groups = new Map<string, { context: readonly number[]; byTokens: Map<string, Continuation> }>();
  for (const [index, { context, continuation }] of requests.entries()) {
    const key = context.join();
    const group = groups.get(key) ?? { context, byTokens: new Map<string, Continuation>() };
    groups.set(key, group);
    const asked = group.byTokens.get(continuation.join());
    group.byTokens.set(continuation.join(), {
      tokens: continuation,
      requests: [...(asked?.requests ?? []), index],
    });
  }
  return [...groups.values()]
    .map(({ context, byTokens }) => ({ context, continuations: [...byTokens.values()].sort(longestFirst) }))
    .sort((a, b) => longest(b) - longest(a));
}

const longestFirst = (a: Continuation, b: Continuation): number => b.tokens.length - a.tokens.length;

const longest = ({ context, continuations }: ContextGroup): number =>
  context.length + continuations[0]!.tokens.length;

/** Parts of a group that fit into a batch each; the context counts in every one. */
function splitGroup({ context, continuations }: ContextGroup, batchSize: number | "auto"): ContextGroup[] {
  const parts: Continuation[][] = [];
  let room = 0;
  for (const continuation of continuations) {
    const size = batchSize === "auto" ? inputLength(continuation) : 1;
    if (size > room || parts.length === 0) {
      parts.push([]);
      room = batchSize === "auto" ? AUTO_TOKENS - context.length : batchSize;
    }
    parts.at(-1)!.push(continuation);
    room -= size;
  }
  return parts.map((part) => ({ context, continuations: part }));
}

function sizeOf({ context, continuations }: ContextGroup, batchSize: number | "auto"): number {
  if (batchSize !== "auto") return continuations.length;
  return continuations.reduce((sum, continuation) => sum + inputLength(continuation), context.length);
}

/** The last token is predicted and never read. */
const inputLength = ({ tokens }: Continuation): number => tokens.length - 1;

import { HubApiError } from "@huggingface/hub";
import { errorMessage, isSdmPruneError, NotFoundError, SdmPruneError } from "@sdmprune/core";
import type { HubSettings } from "./hub-settings.js";

/** A hub's answer or silence, as an error that tells what to do. `isTransient` errors may go away by themselves. */
export interface HubFailure {
  readonly error: SdmPruneError;
  readonly isTransient: boolean;
}

/**
 * A `fetch` for the hub: adds the access token to requests to the hub itself (never to the servers that it
 * refers to), and lets `signal` stop every request.
 */
export function hubFetch(
  { hubUrl, accessToken }: HubSettings,
  base: typeof fetch = fetch,
  signal?: AbortSignal,
): typeof fetch {
  const origin = new URL(hubUrl).origin;
  return (input, init = {}) => {
    const address = input instanceof Request ? input.url : String(input);
    const headers = new Headers(init.headers);
    if (accessToken !== undefined && new URL(address).origin === origin) {
      headers.set("Authorization", `Bearer ${accessToken}`);
    }
    return base(input, { ...init, headers, signal: init.signal ?? signal ?? null });
  };
}

/** Says in plain words why a request to the hub failed. */
export function describeHubFailure(
  cause: unknown,
  what: string,
  { hubUrl, accessToken }: HubSettings,
): HubFailure {
  if (isSdmPruneError(cause)) return { error: cause, isTransient: false };
  if (isDiskError(cause)) {
    return { error: new SdmPruneError(`${what}: ${errorMessage(cause)}.`, { cause }), isTransient: false };
  }
  const status = cause instanceof HubApiError ? cause.statusCode : undefined;
  const detail = firstSentence(errorMessage(cause) || String((cause as NodeJS.ErrnoException).code));
  const fail = (text: string, isTransient = false): HubFailure => ({
    error: new NotFoundError(`${what}: ${text}`, { cause }),
    isTransient,
  });
  switch (status) {
    case undefined:
      return fail(
        `expected an answer from ${hubUrl}, got: ${detail}. Check the network, or work from the cache with HF_HUB_OFFLINE=1.`,
        true,
      );
    case 401:
      return fail(
        accessToken === undefined
          ? "expected a public repository, got status 401: it does not exist, or it is private or gated. Check the name, or set HF_TOKEN."
          : "expected access, got status 401: the access token is not valid, or the repository does not exist.",
      );
    case 403:
      return fail(
        `expected access, got status 403: ${detail}. Accept the repository's terms on ${hubUrl} and use a token that may read it.`,
      );
    case 404:
      return fail(`expected it on ${hubUrl}, got status 404: ${detail}. Check the name and the revision.`);
    default:
      return fail(
        `expected an answer from ${hubUrl}, got status ${status}: ${detail}.`,
        status === 429 || status >= 500,
      );
  }
}

/** Whether the cache's disk failed, not the network. */
function isDiskError(error: unknown): boolean {
  const { syscall, path, code } = (error ?? {}) as NodeJS.ErrnoException;
  return path !== undefined || code === "ENOSPC" || (syscall === "write" && code === "EDQUOT");
}

/** The hub's own words, without the address and request id that its client appends. */
function firstSentence(message: string): string {
  return message.replace(/\. (URL|Request ID): .*$/s, "").replace(/\.$/, "");
}

/**
 * Does `work`, again after a while if it failed for a reason that may go away.
 *
 * @param what - What was asked for, for error messages.
 * @param delayMs - Wait before the second try; doubled each time. Four tries in all.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  what: string,
  settings: HubSettings,
  { delayMs = 500, signal }: { delayMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (cause) {
      signal?.throwIfAborted();
      const { error, isTransient } = describeHubFailure(unwrap(cause), what, settings);
      if (!isTransient || attempt === 4) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs * 2 ** (attempt - 1)));
    }
  }
}

/** Fetch hides the reason ("connection refused") in the cause of "fetch failed". */
function unwrap(error: unknown): unknown {
  return error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
}

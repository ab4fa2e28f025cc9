import type { TokenRequest } from "./encode-requests.js";

/**
 * Cuts a text into windows of at most `maxLength` tokens, so that each token is scored once, after as many tokens as
 * fit: windows are full, and where the last is not, its context reaches back into the one before.
 *
 * @param ids - Tokens of the text; none give no windows.
 * @param prefixTokenId - Stands before the first token.
 */
export function rollingWindows(
  ids: readonly number[],
  prefixTokenId: number,
  maxLength: number,
): TokenRequest[] {
  const windows: TokenRequest[] = [];
  const text = [prefixTokenId, ...ids];
  for (let start = 1; start < text.length;) {
    const end = Math.min(start + maxLength, text.length);
    const first = start === 1 ? 0 : end - 1 - maxLength; // the first token that fits, as input
    windows.push({ context: text.slice(first, start), continuation: text.slice(start, end) });
    start = end;
  }
  return windows;
}

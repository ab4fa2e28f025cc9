import { UsageError, type Rng } from "@sdmprune/core";
import type { TextDocument } from "./document.js";

/** A document with its place in the random order. */
interface Ranked {
  readonly document: TextDocument;
  readonly rank: number;
  readonly row: number;
}

/**
 * Documents in a random order that depends on the seed and on nothing else, in bounded memory: every
 * document gets a random rank as it is read, the lowest ranks that fit are kept and handed out in order, and
 * only if more are wanted is the source read again for the next ones.
 *
 * @param maxChars - How much text is held at once, in UTF-16 units; at least one document is.
 */
export async function* shuffleDocuments(
  documents: Iterable<TextDocument> | AsyncIterable<TextDocument>,
  rng: Rng,
  maxChars = 1 << 26,
): AsyncGenerator<TextDocument> {
  let last: Ranked | undefined; // the highest one handed out so far
  let numRead: number | undefined;
  for (;;) {
    const ranks = rng.fork("rank"); // the same ranks in every pass
    let kept: Ranked[] = [];
    let chars = 0;
    let bound: Ranked | undefined; // ranks from here on are left for a later pass
    let row = 0;
    for await (const document of documents) {
      const ranked: Ranked = { document, rank: ranks.uniform(), row: row++ };
      if ((last && compare(ranked, last) <= 0) || (bound && compare(ranked, bound) >= 0)) continue;
      kept.push(ranked);
      chars += document.text.length;
      if (chars <= 2 * maxChars) continue;
      // Over twice the limit: keep the lowest ranks up to the limit.
      kept.sort(compare);
      let numKept = 0;
      chars = 0;
      while (
        numKept === 0 ||
        (numKept < kept.length && chars + kept[numKept]!.document.text.length <= maxChars)
      ) {
        chars += kept[numKept++]!.document.text.length;
      }
      bound = kept[numKept] ?? bound;
      kept = kept.slice(0, numKept);
    }
    if (numRead !== undefined && row !== numRead) {
      throw new UsageError(
        `shuffleDocuments: expected the same ${numRead} documents in every pass, got ${row}. ` +
          `Give a source that can be read again, and leave its file alone meanwhile.`,
      );
    }
    numRead = row;
    kept.sort(compare);
    for (const ranked of kept) yield ranked.document;
    if (!bound) return;
    last = kept.at(-1);
  }
}

function compare(a: Ranked, b: Ranked): number {
  return a.rank - b.rank || a.row - b.row;
}

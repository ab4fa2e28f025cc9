import { Rng } from "@sdmprune/core";
import type { Tokenizer } from "@sdmprune/model-io";
import { DOCUMENT_SEPARATOR } from "./corpus.js";
import { BOS_ID } from "./tokenizer.js";

/** Stories as token ids, laid end to end with a separator after each, as in a text file. */
export interface EncodedStories {
  ids: Uint16Array;
  /** Where each story begins in `ids`; one more entry for the end. */
  starts: number[];
  /** Tokens of a separator. */
  separatorLength: number;
}

/** Tokenises stories until they hold at least `minTokens` together. */
export function encodeStories(
  tokenizer: Tokenizer,
  stories: Iterable<string>,
  minTokens: number,
): EncodedStories {
  const separator = tokenizer.encode(`\n${DOCUMENT_SEPARATOR}\n`, { addSpecialTokens: false });
  const starts = [0];
  let ids = new Uint16Array(minTokens + 4096);
  let length = 0;
  for (const story of stories) {
    const tokens = [...tokenizer.encode(story, { addSpecialTokens: false }), ...separator];
    if (length + tokens.length > ids.length) {
      const larger = new Uint16Array((length + tokens.length) * 2);
      larger.set(ids);
      ids = larger;
    }
    ids.set(tokens, length);
    length += tokens.length;
    starts.push(length);
    if (length >= minTokens) {
      break;
    }
  }
  return { ids: ids.slice(0, length), starts, separatorLength: separator.length };
}

/**
 * Packs stories into windows that begin with BOS: shape `[numWindows, length]`, row-major. Half of the windows
 * keep the separators of a text file, in the others BOS alone stands between two stories; half begin with a
 * story, the others go on in the middle of the one that the window before cut off. So the model sees its text
 * in all the forms in which calibration and evaluation cut it. Stories start anew when they are used up.
 */
export function packWindows(
  { ids, starts, separatorLength }: EncodedStories,
  { numWindows, length, seed }: { numWindows: number; length: number; seed: number },
): Uint16Array {
  const rng = new Rng(seed, "windows");
  const windows = new Uint16Array(numWindows * length);
  const numStories = starts.length - 1;
  let story = -1;
  let position = 0;
  for (let w = 0; w < numWindows; w++) {
    const window = windows.subarray(w * length, (w + 1) * length);
    const keepsSeparators = rng.uniform() < 0.5;
    let isInside = story >= 0 && rng.uniform() < 0.5; // else the rest of the story that was cut off is left out
    for (let filled = 0; filled < length; isInside = false) {
      if (!isInside) {
        story = (story + 1) % numStories;
        position = starts[story]!;
      }
      if (filled === 0 || !(isInside || keepsSeparators)) {
        window[filled++] = BOS_ID;
      }
      const end = starts[story + 1]! - (keepsSeparators ? 0 : separatorLength);
      const part = ids.subarray(position, Math.min(Math.max(position, end), position + length - filled));
      window.set(part, filled);
      filled += part.length;
      position += part.length;
    }
  }
  return windows;
}

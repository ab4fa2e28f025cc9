/** A pair of symbols that the encoder joins into one. */
export type Merge = readonly [left: string, right: string];

interface Word {
  symbols: string[];
  count: number;
}

/** How GPT-2 cuts text into words before byte-pair encoding; words keep the space before them. */
const WORD_PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * The printable characters that stand for the 256 bytes in byte-level vocabularies: a byte that is printable
 * in Latin-1 stands for itself, the others take code points from 256 on (Radford et al. 2019).
 */
export function byteSymbols(): string[] {
  const symbols: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    symbols.push(String.fromCodePoint(isPrintable ? byte : next++));
  }
  return symbols;
}

/**
 * Learns byte-pair merges from text (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909): again and again
 * the most frequent neighbours become one symbol. Ties go to the pair that sorts first, so that the result
 * depends on the text alone.
 *
 * @param texts - Documents; merges never cross a word boundary.
 * @param numMerges - Upper limit; fewer are returned when every word has become one symbol.
 */
export function learnMerges(texts: Iterable<string>, numMerges: number): Merge[] {
  const words = countWords(texts);
  const merges: Merge[] = [];
  while (merges.length < numMerges) {
    const best = mostFrequentPair(words);
    if (best === undefined) {
      break;
    }
    merges.push(best);
    for (const word of words) {
      word.symbols = applyMerge(word.symbols, best);
    }
  }
  return merges;
}

function countWords(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(WORD_PATTERN)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const symbols = byteSymbols();
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    symbols: Array.from(encoder.encode(word), (byte) => symbols[byte]!),
    count,
  }));
}

function mostFrequentPair(words: readonly Word[]): Merge | undefined {
  const counts = new Map<string, number>(); // "left right"; a symbol never holds a space
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i++) {
      const pair = `${symbols[i - 1]} ${symbols[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let bestCount = 0;
  for (const [pair, count] of counts) {
    if (count > bestCount || (count === bestCount && best !== undefined && pair < best)) {
      best = pair;
      bestCount = count;
    }
  }
  return best?.split(" ") as unknown as Merge | undefined;
}

function applyMerge(symbols: readonly string[], [left, right]: Merge): string[] {
  const out: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      out.push(left + right);
      i++;
    } else {
      out.push(symbols[i]!);
    }
  }
  return out;
}

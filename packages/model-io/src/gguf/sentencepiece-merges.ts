/**
 * The merges of a tokenizer.json that give the ids of SentencePiece's BPE: SentencePiece joins the two neighbours
 * whose joint piece has the highest score, so every split of every piece into two pieces is a merge, in order of
 * falling score (the way `transformers` converts such vocabularies, too).
 *
 * @param pieces - By id.
 * @param scores - By id.
 * @param isMerged - Whether a piece may come from merging: not special ones and not bytes.
 */
export function mergesOfScores(
  pieces: readonly string[],
  scores: readonly number[],
  isMerged: (id: number) => boolean,
): [string, string][] {
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const merges: { left: number; right: number; id: number }[] = [];
  for (const [id, piece] of pieces.entries()) {
    if (!isMerged(id)) continue;
    for (let at = 1; at < piece.length; at++) {
      const left = ids.get(piece.slice(0, at));
      const right = ids.get(piece.slice(at));
      if (left !== undefined && right !== undefined && isMerged(left) && isMerged(right)) {
        merges.push({ left, right, id });
      }
    }
  }
  merges.sort((a, b) => scores[b.id]! - scores[a.id]! || a.id - b.id || a.left - b.left || a.right - b.right);
  return merges.map(({ left, right }) => [pieces[left]!, pieces[right]!]);
}

/**
 * Scores that make SentencePiece's BPE join what the merges of a tokenizer.json join, in their order: the piece that is
 * merged first has score 0, the next other one -1, and so on. Pieces that no merge makes have the lowest.
 *
 * @param merges - Pairs of pieces.
 * @returns One score per piece.
 */
export function scoresOfMerges(
  pieces: readonly string[],
  merges: readonly (readonly [string, string])[],
): Float32Array {
  const ranks = new Map<string, number>();
  for (const [left, right] of merges) {
    const piece = left + right;
    if (!ranks.has(piece)) ranks.set(piece, ranks.size);
  }
  return Float32Array.from(pieces, (piece) => -(ranks.get(piece) ?? ranks.size));
}

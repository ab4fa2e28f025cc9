import { NonFiniteError } from "@sdmprune/core";

/** Indices of the `width` highest scores, ascending. Equal scores: the lower index is kept. */
export function selectNeurons(score: Float64Array, width: number): Int32Array {
  return rankNeurons(score).subarray(0, width).slice().sort();
}

/**
 * Indices by falling score, equal scores by rising index.
 *
 * @throws {NonFiniteError} If a score is NaN or infinite: such a neuron has no rank.
 */
export function rankNeurons(score: Float64Array): Int32Array {
  const bad = score.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    throw new NonFiniteError(
      `scores: neuron ${bad} has the score ${score[bad]}; every score must be finite.`,
    );
  }
  return Int32Array.from(score.keys()).sort((a, b) => score[b]! - score[a]! || a - b);
}

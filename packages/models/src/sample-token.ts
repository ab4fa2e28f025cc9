import { NonFiniteError, type Rng } from "@sdmprune/core";

/** How the next token is chosen from its logits. */
export interface SamplingOptions {
  /** 0 takes the likeliest token; above it, logits are divided by this before the softmax. */
  readonly temperature: number;
  /** Draw from the fewest likeliest tokens whose probabilities reach this sum, in (0, 1]; 1 is all (nucleus sampling). */
  readonly topP: number;
}

/**
 * Chooses a token. Ties go to the lower id.
 *
 * @param logits - Of one position; shape `[V]`.
 * @throws {NonFiniteError} If a logit is NaN or positively infinite.
 */
export function sampleToken(
  logits: ArrayLike<number>,
  { temperature, topP }: SamplingOptions,
  rng: Rng,
): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!;
    if (Number.isNaN(value) || value === Infinity) {
      throw new NonFiniteError(
        `Token ${id} got the logit ${value}. Check the checkpoint for NaN or infinite weights.`,
      );
    }
    if (value > logits[best]!) best = id;
  }
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (z) => Math.exp((z - logits[best]!) / temperature));
  const candidates = topP < 1 ? nucleus(weights, topP) : Uint32Array.from(weights, (_, id) => id);
  const total = candidates.reduce((sum, id) => sum + weights[id]!, 0);
  let left = rng.uniform() * total;
  for (const id of candidates) {
    left -= weights[id]!;
    if (left < 0) return id;
  }
  return best; // rounding left the sum a hair short
}

/** The fewest likeliest tokens that make up `topP` of all weight, likeliest first. */
function nucleus(weights: Float64Array, topP: number): Uint32Array {
  const ranked = Uint32Array.from(weights, (_, id) => id).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const wanted = topP * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const count = ranked.findIndex((id) => (sum += weights[id]!) >= wanted) + 1;
  return ranked.subarray(0, count || ranked.length);
}

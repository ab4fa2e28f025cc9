/** Temperature of the concrete distribution. */
export const BETA = 2 / 3;
/** The interval it is stretched to, before it is cut off at 0 and 1. */
const [LOW, HIGH] = [-0.1, 1.1];
/** Bounds of log_alpha: odds of 1 to 100 and 100 to 1. */
export const LOG_ALPHA_LIMIT = Math.log(100);
/** What keeps uniforms and probabilities away from 0 and 1. */
const EPSILON = 1e-6;
/** log_alpha at which a mask is open and shut alike: the shift of the stretched distribution's mass at 0. */
const SHUT_LOGIT = BETA * Math.log(-LOW / HIGH);

/** A mask and its derivative by log_alpha. */
export interface SampledMask {
  /** In [0, 1]. */
  readonly z: number;
  readonly derivative: number;
}

/**
 * A sample of the hard concrete distribution (Louizos et al. 2018, https://arxiv.org/abs/1712.01312):
 * `z = clamp(1.2 * sigmoid((log u - log(1 - u) + logAlpha) / beta) - 0.1, 0, 1)` with `beta` = 2/3.
 *
 * @param uniform - In [0, 1]; moved into [1e-6, 1 - 1e-6].
 */
export function sampleHardConcrete(logAlpha: number, uniform: number): SampledMask {
  const u = Math.min(Math.max(uniform, EPSILON), 1 - EPSILON);
  const s = sigmoid((Math.log(u) - Math.log(1 - u) + logAlpha) / BETA);
  const stretched = s * (HIGH - LOW) + LOW;
  if (stretched < 0) return { z: 0, derivative: 0 };
  if (stretched > 1) return { z: 1, derivative: 0 };
  return { z: stretched, derivative: ((HIGH - LOW) * s * (1 - s)) / BETA };
}

/** Probability that a mask is 0, and its derivative by log_alpha: one minus its share of the expected L0 norm. */
export function probabilityOfZero(logAlpha: number): {
  readonly probability: number;
  readonly derivative: number;
} {
  const probability = sigmoid(SHUT_LOGIT - logAlpha);
  if (probability <= EPSILON) return { probability: EPSILON, derivative: 0 };
  if (probability >= 1 - EPSILON) return { probability: 1 - EPSILON, derivative: 0 };
  return { probability, derivative: -probability * (1 - probability) };
}

/**
 * The factor that a neuron which is kept has from then on: `sigmoid(0.8 * logAlpha / beta)`, as in CoFi (Xia et al. 2022,
 * https://arxiv.org/abs/2204.00408) and Compresso.
 */
export function keptMultiplier(logAlpha: number): number {
  return sigmoid((0.8 * logAlpha) / BETA);
}

/** log_alpha within its bounds. */
export function clampLogAlpha(logAlpha: number): number {
  return Math.min(Math.max(logAlpha, -LOG_ALPHA_LIMIT), LOG_ALPHA_LIMIT);
}

function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

import { FormatError } from "@sdmprune/core";

/** The numbers of `rope_type: "llama3"` in a config.json. */
export interface Llama3RopeScaling {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** Factors are stored as float32, and the writers compute them in float32 or float64. */
const RELATIVE_TOLERANCE = 2e-5;
const DEFAULTS = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

/**
 * What every rotary frequency is divided by under llama3 scaling: 1 for short wavelengths, `factor` for long ones,
 * and a blend between (transformers, modeling_rope_utils).
 *
 * @returns One factor per pair of dimensions; shape `[headDim / 2]`.
 */
export function llama3RopeFactors(scaling: Llama3RopeScaling, theta: number, headDim: number): Float32Array {
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: context,
  } = scaling;
  return Float32Array.from({ length: headDim / 2 }, (_, k) => {
    const waves = context / wavelength(theta, headDim, k); // of the original context
    if (waves > high) return 1;
    if (waves < low) return factor;
    const smooth = (waves - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * The scaling whose factors a file holds as `rope_freqs.weight`. Of the numbers in a config only `context / low` and
 * `context / high` show in the factors; they are given with `low_freq_factor` 1, as all published models have it.
 *
 * @returns Undefined if every factor is 1.
 * @throws {FormatError} If no llama3 scaling has these factors.
 */
export function recoverLlama3Scaling(
  factors: Float32Array,
  theta: number,
  headDim: number,
  where: string,
): Llama3RopeScaling | undefined {
  if (factors.length === headDim / 2 && factors.every((factor) => factor === 1)) return undefined;
  const factor = factors.at(-1) ?? 0;
  const found = [fitScaling(factors, factor, theta, headDim), { factor, ...DEFAULTS }].find(
    (scaling) => scaling !== undefined && hasFactors(scaling, factors, theta, headDim),
  );
  if (found) return found;
  throw new FormatError(
    `${where}: expected factors of llama3 rotary scaling for head_dim ${headDim}, got ${factors.length} other ones from ${factors[0]} to ${factors.at(-1)}. Convert the original checkpoint instead.`,
  );
}

/** A line through the blends: `smooth = a / wavelength - b` with `a = context / (high - low)`, `b = low / (high - low)`. */
function fitScaling(
  factors: Float32Array,
  factor: number,
  theta: number,
  headDim: number,
): Llama3RopeScaling | undefined {
  const points = [...factors.entries()]
    .filter(([, value]) => value > 1 && value < factor)
    .map(([k, value]) => ({
      x: 1 / wavelength(theta, headDim, k),
      smooth: (1 / value - 1 / factor) / (1 - 1 / factor),
    }));
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const a = (first.smooth - last.smooth) / (first.x - last.x);
  const b = a * last.x - last.smooth;
  if (!(a > 0 && b > 0)) return undefined;
  const high = nearInteger(1 + 1 / b);
  return {
    factor,
    low_freq_factor: 1,
    high_freq_factor: high,
    original_max_position_embeddings: Math.round(a * (high - 1)),
  };
}

function hasFactors(
  scaling: Llama3RopeScaling,
  factors: Float32Array,
  theta: number,
  headDim: number,
): boolean {
  const { factor, high_freq_factor: high, original_max_position_embeddings: context } = scaling;
  if (!(factor > 1 && high > 1 && context >= 1) || factors.length !== headDim / 2) return false;
  const expected = llama3RopeFactors(scaling, theta, headDim);
  return expected.every((value, k) => Math.abs(factors[k]! - value) <= RELATIVE_TOLERANCE * value);
}

function wavelength(theta: number, headDim: number, k: number): number {
  return 2 * Math.PI * theta ** ((2 * k) / headDim);
}

function nearInteger(value: number): number {
  const rounded = Math.round(value * 1000) / 1000;
  return Math.abs(value - Math.round(value)) < 1e-3 ? Math.round(value) : rounded;
}

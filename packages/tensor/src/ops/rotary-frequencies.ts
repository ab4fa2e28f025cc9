import { UsageError } from "@sdmprune/core";

/**
 * How a checkpoint stretches its rotary frequencies (`rope_scaling` or `rope_parameters` of its config).
 * `llama3` slows the long wavelengths and leaves the short ones; `linear` slows all alike.
 */
export type RotaryScaling =
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositionEmbeddings: number;
    }
  | { type: "linear"; factor: number };

export interface RotaryFrequencyOptions {
  /** `D`, the size of a head. */
  headDim: number;
  /** Base of the geometric series, `rope_theta`. */
  theta: number;
  scaling?: RotaryScaling | undefined;
  /** The part of a head that is rotated, in (0, 1]. Default 1. */
  partialFactor?: number | undefined;
}

/**
 * Angle per position of every rotated pair (Su et al. 2021, https://arxiv.org/abs/2104.09864):
 * `theta^(-2i / R)`, then scaled. `R` = `headDim * partialFactor`, the rotated part of a head.
 *
 * @returns `R/2` frequencies in radians per position, float64.
 * @throws {UsageError} If an option is out of its range, or `R` is odd.
 */
export function rotaryFrequencies({
  headDim,
  theta,
  scaling,
  partialFactor = 1,
}: RotaryFrequencyOptions): Float64Array {
  if (!(partialFactor > 0 && partialFactor <= 1)) {
    throw new UsageError(`rotaryFrequencies: partialFactor must be in (0, 1], got ${partialFactor}.`);
  }
  if (!(theta > 0)) throw new UsageError(`rotaryFrequencies: theta must be positive, got ${theta}.`);
  const rotated = Math.floor(headDim * partialFactor);
  if (!(rotated >= 2) || rotated % 2 !== 0) {
    throw new UsageError(
      `rotaryFrequencies: headDim * partialFactor must be a positive even number, got ${headDim} * ${partialFactor}.`,
    );
  }
  const scale = frequencyScale(scaling);
  return Float64Array.from({ length: rotated / 2 }, (_, i) => scale(theta ** ((-2 * i) / rotated)));
}

function frequencyScale(scaling: RotaryScaling | undefined): (frequency: number) => number {
  if (!scaling) return (frequency) => frequency;
  const { factor } = scaling;
  if (!(factor > 0))
    throw new UsageError(`rotaryFrequencies: scaling.factor must be positive, got ${factor}.`);
  if (scaling.type === "linear") return (frequency) => frequency / factor;

  const { lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling;
  if (!(lowFreqFactor > 0 && highFreqFactor > lowFreqFactor)) {
    throw new UsageError(
      `rotaryFrequencies: scaling must have 0 < lowFreqFactor < highFreqFactor, got ${lowFreqFactor} and ${highFreqFactor}.`,
    );
  }
  if (!(originalMaxPositionEmbeddings > 0)) {
    throw new UsageError(
      `rotaryFrequencies: scaling.originalMaxPositionEmbeddings must be positive, got ${originalMaxPositionEmbeddings}.`,
    );
  }
  return (frequency) => {
    const turns = (originalMaxPositionEmbeddings * frequency) / (2 * Math.PI); // over the original context
    if (turns < lowFreqFactor) return frequency / factor;
    if (turns > highFreqFactor) return frequency;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  };
}

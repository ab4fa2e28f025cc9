import { UsageError } from "@sdmprune/core";
import { countOf, countParameters, type ModelShape, type RatioOf } from "./model-shape.js";

export type PruningTarget =
  /** An exact width for every layer; ignores rounding. */
  | { readonly width: number }
  | {
      /** The part to remove, in (0, 1). */
      readonly pruningRatio: number;
      readonly ratioOf: RatioOf;
      /** Widths are multiples of this. */
      readonly roundTo: number;
    };

/**
 * The width, the same for every layer, that meets a target: `k = F - ratio * count / sum(neuron sizes)`,
 * rounded to the nearest multiple of `roundTo`, ties up. Where layers differ in width, `F` is their mean weighted by neuron size.
 *
 * @throws {UsageError} If the target cannot be met or would remove nothing.
 */
export function targetWidth(shape: ModelShape, target: PruningTarget): number {
  const narrowest = Math.min(...shape.widths);
  if ("width" in target) {
    if (!Number.isSafeInteger(target.width) || target.width < 1 || target.width > narrowest) {
      throw new UsageError(
        `width: expected an integer from 1 to ${narrowest} (the model's intermediate_size), got ${target.width}.`,
      );
    }
    return target.width;
  }
  const { pruningRatio, ratioOf, roundTo } = target;
  if (!(pruningRatio >= 0 && pruningRatio < 1)) {
    throw new UsageError(
      `ratio: expected the part to remove, at least 0 and less than 1, got ${pruningRatio}.`,
    );
  }
  if (!Number.isSafeInteger(roundTo) || roundTo < 1) {
    throw new UsageError(`round-to: expected a positive integer, got ${roundTo}.`);
  }
  const counts = countParameters(shape);
  const perNeuron = shape.neuronSizes.reduce((a, b) => a + b, 0);
  const exact = (counts.mlp - pruningRatio * countOf(counts, ratioOf)) / perNeuron;
  const rounded = Math.floor(exact / roundTo + 0.5) * roundTo;
  if (pruningRatio === 0) return narrowest;
  if (rounded < 1) {
    const most = counts.mlp - Math.min(roundTo, narrowest) * perNeuron;
    throw new UsageError(
      `ratio: ${pruningRatio} of ${ratioOf} parameters needs MLPs of width ${Math.round(exact)}, less than one multiple of ${roundTo}; ` +
        `at most ${(most / countOf(counts, ratioOf)).toFixed(3)} can go with --round-to ${roundTo}. Choose a smaller ratio or --round-to.`,
    );
  }
  if (rounded >= narrowest) {
    throw new UsageError(
      `ratio: ${pruningRatio} of ${ratioOf} parameters needs width ${exact.toFixed(1)}, which rounds to ${rounded} of ${narrowest}: nothing would be removed. ` +
        `Choose a larger ratio, or a --round-to smaller than ${roundTo}.`,
    );
  }
  return rounded;
}

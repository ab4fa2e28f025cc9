import { UsageError } from "@sdmprune/core";
import type { KeptNeurons } from "./model-family.js";
import type { PrunableGroup } from "./prunable-group.js";
import type { KeptSlices } from "./read-weight.js";

/** Width of every MLP as seen through a view. */
export function viewedWidths(groups: readonly PrunableGroup[], view?: KeptNeurons): number[] {
  return groups.map(({ layer, intermediateSize }) => view?.[layer]?.length ?? intermediateSize);
}

/**
 * The slices of each tensor that a view keeps.
 *
 * @throws {UsageError} If it has another number of layers, or a layer's indices do not rise strictly within the width.
 */
export function keptSlices(groups: readonly PrunableGroup[], view?: KeptNeurons): Map<string, KeptSlices> {
  const slices = new Map<string, KeptSlices>();
  if (!view) return slices;
  if (view.length !== groups.length) {
    throw new UsageError(`view: expected kept neurons for ${groups.length} layers, got ${view.length}.`);
  }
  for (const { layer, intermediateSize, members } of groups) {
    const indices = view[layer];
    if (!indices) continue;
    const isAscending = indices.every((index, i) => index > (i === 0 ? -1 : indices[i - 1]!));
    if (indices.length === 0 || !isAscending || indices.at(-1)! >= intermediateSize) {
      throw new UsageError(
        `view: layer ${layer}: expected at least one strictly rising index below ${intermediateSize}, got ${indices.length} from ${indices[0]} to ${indices.at(-1)}.`,
      );
    }
    for (const { tensor, axis } of members) slices.set(tensor, { axis, indices });
  }
  return slices;
}

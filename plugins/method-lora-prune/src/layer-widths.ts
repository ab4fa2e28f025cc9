import { UsageError } from "@sdmprune/core";

/**
 * Final width of every layer: those of `skipLayers` stay whole, and the others have one width, rounded down, that keeps no more
 * neurons than `width` in every layer would.
 *
 * @throws {UsageError} If a layer does not exist, or nothing is left for the others.
 */
export function layerWidths(
  sizes: readonly number[],
  width: number,
  skipLayers: readonly number[],
): number[] {
  const bad = skipLayers.find((layer) => layer >= sizes.length);
  if (bad !== undefined) {
    throw new UsageError(`skipLayers: expected layers from 0 to ${sizes.length - 1}, got ${bad}.`);
  }
  const skipped = new Set(skipLayers);
  const pruned = sizes.filter((_, layer) => !skipped.has(layer));
  const budget = sizes.reduce(
    (sum, size, layer) => sum + Math.min(size, width) - (skipped.has(layer) ? size : 0),
    0,
  );
  const each = skipped.size === 0 ? width : Math.floor(budget / pruned.length);
  if (pruned.length === 0 || each < 1) {
    throw new UsageError(
      `skipLayers: expected layers to be left that can make up for the ${skipped.size} skipped ones, got ${pruned.length} of at most ${Math.max(0, each)} neurons. Skip fewer, or prune less.`,
    );
  }
  return sizes.map((size, layer) => (skipped.has(layer) ? size : Math.min(size, each)));
}

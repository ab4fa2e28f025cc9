import type { Rng } from "@sdmprune/core";

/** Batches of items without end: all of them in a random order, then all in another. */
export function* shuffledBatches<T>(items: readonly T[], batchSize: number, rng: Rng): Generator<T[], never> {
  let left: T[] = [];
  for (;;) {
    const batch: T[] = [];
    while (batch.length < batchSize) {
      if (left.length === 0) left = rng.shuffle(items);
      batch.push(left.shift()!);
    }
    yield batch;
  }
}

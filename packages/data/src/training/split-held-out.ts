import { Rng, UsageError } from "@sdmprune/core";
import type { TrainingData } from "./tokenize-training-data.js";

/**
 * Sets rows apart for evaluation, drawn at random, before anything is packed: no held-out row is in a training
 * sequence. Both parts share the tokens and keep the rows in file order.
 *
 * @param numHeldOut - Rows to hold out; 0 for none.
 * @throws {UsageError} If that leaves nothing to train on.
 */
export function splitHeldOut(
  data: TrainingData,
  { numHeldOut, seed }: { numHeldOut: number; seed: number },
): { train: TrainingData; heldOut: TrainingData } {
  const { rows } = data;
  if (!Number.isSafeInteger(numHeldOut) || numHeldOut < 0 || numHeldOut >= rows.length) {
    throw new UsageError(
      `${data.name}: expected from 0 to ${rows.length - 1} held-out rows of ${rows.length}, got ${numHeldOut}. ` +
        `Hold out fewer rows or give more data.`,
    );
  }
  const drawn = new Rng(seed, "training/held-out").shuffle(Array.from(rows)).slice(0, numHeldOut);
  const isHeldOut = new Set(drawn);
  return {
    train: { ...data, rows: rows.filter((row) => !isHeldOut.has(row)) },
    heldOut: { ...data, rows: rows.filter((row) => isHeldOut.has(row)) },
  };
}

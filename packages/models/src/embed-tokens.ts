import { UsageError } from "@sdmprune/core";
import { embedding, tf } from "@sdmprune/tensor";
import { readWeight } from "./read-weight.js";
import type { WeightStore } from "./weight-store.js";

/** @throws {UsageError} If there are not `count` ids, or one is not below `vocabSize`. */
export function checkTokenIds(ids: Int32Array, count: number, vocabSize: number): void {
  if (ids.length !== count) throw new UsageError(`embed: expected ${count} token ids, got ${ids.length}.`);
  const at = ids.findIndex((id) => id < 0 || id >= vocabSize);
  if (at >= 0) {
    throw new UsageError(
      `embed: expected token ids from 0 to ${vocabSize - 1} (vocab_size), got ${ids[at]} at position ${at}. Is it the tokenizer of this model?`,
    );
  }
}

/**
 * Rows of an embedding table. A resident table is gathered from; of a streamed one only the rows of the
 * tokens that occur are read.
 *
 * @returns Shape `[N, H]`. The caller disposes it.
 */
export async function embedTokens(store: WeightStore, name: string, ids: Int32Array): Promise<tf.Tensor2D> {
  if (store.residency === "resident") {
    await store.acquire([name]);
    try {
      return tf.tidy(() => embedding(tf.tensor1d(ids, "int32"), store.get<tf.Tensor2D>(name)));
    } finally {
      store.release([name]);
    }
  }
  const distinct = [...new Set(ids)].sort((a, b) => a - b);
  const rowOf = new Map(distinct.map((id, row) => [id, row]));
  const rows: tf.Tensor[] = [];
  try {
    for (const [start, end] of runsOf(distinct))
      rows.push(await readWeight(store.source, name, { rows: [start, end] }));
    return tf.tidy(() => {
      const table = tf.concat(rows, 0) as tf.Tensor2D;
      return embedding(
        tf.tensor1d(
          ids.map((id) => rowOf.get(id)!),
          "int32",
        ),
        table,
      );
    });
  } finally {
    tf.dispose(rows);
  }
}

/** Ascending numbers as ranges `[start, end)` without gaps. */
function runsOf(ascending: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const value of ascending) {
    const last = runs.at(-1);
    if (last && last[1] === value) last[1]++;
    else runs.push([value, value + 1]);
  }
  return runs;
}

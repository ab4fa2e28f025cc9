import { UsageError } from "@sdmprune/core";
import { tensorByteLength, toFloat32 } from "@sdmprune/model-io";
import { embedding, filledTensor, tf } from "@sdmprune/tensor";
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
  const table = await readRows(store, name, distinct);
  try {
    return tf.tidy(() =>
      embedding(
        tf.tensor1d(
          ids.map((id) => rowOf.get(id)!),
          "int32",
        ),
        table,
      ),
    );
  } finally {
    table.dispose();
  }
}

/** Some rows of a matrix of the checkpoint, by ascending index; shape `[rows, H]`. The caller disposes it. */
function readRows(store: WeightStore, name: string, indices: readonly number[]): Promise<tf.Tensor2D> {
  const { source } = store;
  const { dtype, shape } = source.info(name);
  const width = shape[1]!;
  const rowBytes = tensorByteLength(dtype, [1, width], name);
  return store.inTurn(async (scratch) => {
    const bytes = scratch(rowBytes * indices.length);
    let at = 0;
    for (const rows of runsOf(indices)) {
      const into = bytes.subarray(at, at + (rows[1] - rows[0]) * rowBytes);
      const read = await source.read(name, { rows, into });
      if (read !== into) into.set(read);
      at += into.byteLength;
    }
    return filledTensor(
      [indices.length, width],
      (values) => void toFloat32(bytes, dtype, values),
    ) as tf.Tensor2D;
  });
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

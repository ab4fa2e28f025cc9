import { tf, type LanguageModelHead } from "@sdmprune/tensor";
import type { WeightStore } from "./weight-store.js";

/** Bytes of head weights in one chunk: a few chunks for a vocabulary of 128k, one for a small one. */
const CHUNK_BYTES = 64 * 2 ** 20;

/**
 * An LM head over a matrix `[V, H]` of the store: rows of the resident table, or rows read from the checkpoint.
 */
export function createHead(
  store: WeightStore,
  name: string,
  vocabSize: number,
  hiddenSize: number,
): LanguageModelHead {
  return {
    vocabSize,
    chunkSize: Math.min(vocabSize, Math.max(1, Math.floor(CHUNK_BYTES / (4 * hiddenSize)))),
    async chunk(start, end) {
      if (store.residency === "streamed") {
        return (await store.rows(name, start, end)) as tf.Tensor2D;
      }
      await store.acquire([name]);
      try {
        const table = store.get<tf.Tensor2D>(name);
        return start === 0 && end === vocabSize
          ? tf.clone(table)
          : tf.slice(table, [start, 0], [end - start, hiddenSize]);
      } finally {
        store.release([name]);
      }
    },
  };
}

/**
 * Logits of every token.
 *
 * @param hidden - Output of the final norm; shape `[N, H]`.
 * @returns Shape `[N, V]`. The caller disposes it.
 */
export async function headLogits(head: LanguageModelHead, hidden: tf.Tensor2D): Promise<tf.Tensor2D> {
  const parts: tf.Tensor2D[] = [];
  try {
    for (let start = 0; start < head.vocabSize; start += head.chunkSize) {
      const rows = await head.chunk(start, Math.min(start + head.chunkSize, head.vocabSize));
      try {
        parts.push(tf.matMul(hidden, rows, false, true)); // [N, H] [C, H]^T -> [N, C]
      } finally {
        rows.dispose();
      }
    }
    return parts.length === 1 ? tf.clone(parts[0]!) : tf.concat2d(parts, 1);
  } finally {
    tf.dispose(parts);
  }
}

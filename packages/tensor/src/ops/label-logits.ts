import * as tf from "@tensorflow/tfjs-core";

/**
 * Reads the logits of those labels that lie in a chunk of the vocabulary.
 *
 * @param z - Logits of ids `start` and on; `[N, C]`.
 * @param labels - `[N]`; other ids and -1 are passed over.
 * @param labelLogits - `[N]`; filled in where the label lies in the chunk.
 */
export async function readLabelLogits(
  z: tf.Tensor2D,
  start: number,
  labels: Int32Array,
  labelLogits: Float64Array,
): Promise<void> {
  const width = z.shape[1];
  const rows: number[] = [];
  labels.forEach((label, n) => label >= start && label < start + width && rows.push(n));
  if (rows.length === 0) return;
  const found = tf.tidy(() => {
    const index = Int32Array.from(rows, (n) => n * width + labels[n]! - start);
    return tf.gather(tf.reshape(z, [-1]), tf.tensor1d(index, "int32"));
  });
  try {
    const values = await found.data();
    rows.forEach((n, i) => (labelLogits[n] = values[i]!));
  } finally {
    tf.dispose(found);
  }
}

/** The labels as the gradient of one chunk wants them: counted from its start, -1 if elsewhere. The caller disposes it. */
export function chunkLabels(labels: Int32Array, start: number, end: number): tf.Tensor1D {
  return tf.tensor1d(
    labels.map((label) => (label >= start && label < end ? label - start : -1)),
    "int32",
  );
}

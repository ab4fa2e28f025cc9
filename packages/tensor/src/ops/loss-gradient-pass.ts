import * as tf from "@tensorflow/tfjs-core";
import { chunkLabels } from "./label-logits.js";
import { type ChunkedLogits, vocabularyChunks, withChunk } from "./language-model-head.js";
import { lossGradientChunk } from "./loss-gradient-chunk.js";
import type { LossSpec } from "./loss-spec.js";

export interface LossGradientPassOptions {
  kind: LossSpec["kind"];
  inverseTemperature: number;
  /** Of the first pass over all chunks. */
  logits: ChunkedLogits;
  /** Of the first pass over all chunks; for `blend`. */
  teacherLogits?: ChunkedLogits | undefined;
  /** `[N]`; -1 for none. */
  labels: Int32Array;
  /** Of `rowWeights`. */
  weights: { label: Float32Array; teacher: Float32Array };
  /** `[N]`; for `entropy`. */
  entropies?: Float64Array | undefined;
  needGradient?: boolean | undefined;
  onHeadGradient?: ((start: number, end: number, gradient: tf.Tensor2D) => void | Promise<void>) | undefined;
}

/**
 * Forms the gradient of the loss chunk by chunk, hands on what was asked for, and sums each row's KL divergence in
 * float64. The caller disposes `dHidden [N, H]`.
 */
export async function lossGradientPass({
  kind,
  inverseTemperature,
  logits,
  teacherLogits,
  labels,
  weights,
  entropies,
  needGradient,
  onHeadGradient,
}: LossGradientPassOptions): Promise<{ dHidden?: tf.Tensor2D; kdRows?: Float64Array }> {
  const { hidden, head } = logits;
  const kdRows = teacherLogits && new Float64Array(labels.length);
  const alive = new Set<tf.Tensor>();
  const own = <T extends tf.Tensor | undefined>(tensor: T): T => {
    if (tensor) alive.add(tensor);
    return tensor;
  };
  const free = (...tensors: (tf.Tensor | undefined)[]): void => {
    for (const tensor of tensors) if (tensor && alive.delete(tensor)) tf.dispose(tensor);
  };
  try {
    const labelWeight = own(tf.tensor1d(weights.label));
    const teacherWeight = own(teacherLogits && tf.tensor1d(weights.teacher));
    const entropy = own(entropies && tf.tensor1d(Float32Array.from(entropies)));
    let dHidden: tf.Tensor2D | undefined;
    for (const { start, end } of vocabularyChunks(head)) {
      const z = own(await logits.take(start, end));
      const u = own(await teacherLogits?.take(start, end));
      const inChunk = own(kind === "entropy" ? undefined : chunkLabels(labels, start, end));
      const { dz, kd } = lossGradientChunk(
        {
          logits: z,
          max: logits.statistics.max,
          sum: logits.statistics.sum,
          labelWeight,
          labels: inChunk,
          teacherLogits: u,
          teacherMax: teacherLogits?.statistics.max,
          teacherSum: teacherLogits?.statistics.sum,
          teacherWeight,
          entropy,
        },
        { kind, inverseTemperature },
      );
      own(dz);
      own(kd);
      free(z, u, inChunk);
      if (kd) (await kd.data()).forEach((value, n) => (kdRows![n]! += value));
      if (needGradient) {
        const sum = dHidden;
        dHidden = await withChunk(head, start, end, hidden.shape[1], (rows) => addProduct(sum, dz, rows));
        own(dHidden);
        free(sum);
      }
      if (onHeadGradient) {
        const gradient = own(tf.matMul<tf.Tensor2D>(dz, hidden, true)); // [N, C]^T [N, H] -> [C, H]
        await onHeadGradient(start, end, gradient);
        free(gradient);
      }
      free(dz, kd);
    }
    if (dHidden) alive.delete(dHidden); // the caller's from here on
    return { ...(dHidden && { dHidden }), ...(kdRows && { kdRows }) };
  } finally {
    free(...alive);
  }
}

/** `sum + dz rows`; `[N, C] [C, H] -> [N, H]`. */
function addProduct(sum: tf.Tensor2D | undefined, dz: tf.Tensor2D, rows: tf.Tensor2D): tf.Tensor2D {
  if (!sum) return tf.matMul(dz, rows);
  return tf.tidy(() => tf.add(sum, tf.matMul(dz, rows)));
}

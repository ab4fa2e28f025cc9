import * as tf from "@tensorflow/tfjs-core";
import { runFused } from "../fused-kernels.js";

/** Running softmax statistics of every row; `[N]` each. The kernel `SdmLogSumExpChunk` says what they hold. */
export interface SoftmaxStatistics {
  max: tf.Tensor1D;
  sum: tf.Tensor1D;
  /** Only where the entropy is wanted. */
  weighted?: tf.Tensor1D;
}

/** Below any logit, and finite: WGSL does not promise infinities. */
const NO_MAXIMUM = -1e30;

/** The statistics before the first chunk. The caller disposes them. */
export function emptyStatistics(rows: number, withEntropy: boolean): SoftmaxStatistics {
  const statistics: SoftmaxStatistics = { max: tf.fill([rows], NO_MAXIMUM), sum: tf.zeros([rows]) };
  if (withEntropy) statistics.weighted = tf.zeros([rows]);
  return statistics;
}

/**
 * The statistics after one more chunk of logits. Disposes the ones it replaces.
 *
 * @param logits - `[N, C]`.
 * @param inverseTemperature - Factor of the logits.
 */
export function addChunk(
  statistics: SoftmaxStatistics,
  logits: tf.Tensor2D,
  inverseTemperature: number,
): SoftmaxStatistics {
  const inputs = { logits, ...statistics };
  const [max, sum, weighted] = (runFused("SdmLogSumExpChunk", inputs, { inverseTemperature }) ??
    compose(statistics, logits, inverseTemperature)) as tf.Tensor1D[];
  tf.dispose(Object.values(statistics) as tf.Tensor[]);
  return weighted ? { max: max!, sum: sum!, weighted } : { max: max!, sum: sum! };
}

function compose({ max, sum, weighted }: SoftmaxStatistics, logits: tf.Tensor2D, inverseTemperature: number) {
  return tf.tidy(() => {
    const z = inverseTemperature === 1 ? logits : tf.mul(logits, inverseTemperature);
    const newMax = tf.maximum(max, tf.max(z, 1));
    const centred = tf.sub(z, tf.expandDims(newMax, 1));
    const exponentials = tf.exp(centred);
    const drop = tf.sub(max, newMax);
    const scale = tf.exp(drop);
    const out = [newMax, tf.add(tf.mul(sum, scale), tf.sum(exponentials, 1))];
    if (weighted) {
      const carried = tf.mul(scale, tf.add(weighted, tf.mul(sum, drop)));
      out.push(tf.add(carried, tf.sum(tf.mul(exponentials, centred), 1)));
    }
    return out;
  });
}

import * as tf from "@tensorflow/tfjs-core";
import { runFused } from "../fused-kernels.js";
import { readFloat64 } from "../read-float64.js";

/** What turns logits of a row into log-probabilities: `log p[c] = z[c] - max - log(sum)`. `[N]` each. */
export interface SoftmaxSums {
  readonly max: Float64Array;
  /** `sum_c exp(z[c] - max)`. */
  readonly sum: Float64Array;
}

/**
 * Largest logit of every row, and the sum of the exponentials in float64: the log-probability of a token that is all but
 * certain is what the others' exponentials add to 1, which float32 would lose. A row's numbers depend on that row alone.
 *
 * @param logits - `[N, C]`, float32.
 */
export async function softmaxSums(logits: tf.Tensor2D): Promise<SoftmaxSums> {
  const fused = runFused("SdmExpSum", { logits }, {});
  if (!fused) return composed(await logits.data<"float32">(), logits.shape[1]);
  try {
    const [max, sum, rest] = (await Promise.all(fused.map(readFloat64))) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    return { max, sum: sum.map((value, n) => value + rest[n]!) };
  } finally {
    tf.dispose(fused);
  }
}

/** tfjs has no float64, so this reads the logits. */
function composed(logits: Float32Array, width: number): SoftmaxSums {
  const rows = logits.length / width;
  const max = new Float64Array(rows).fill(-Infinity);
  const sum = new Float64Array(rows);
  for (let n = 0; n < rows; n++) {
    const row = logits.subarray(n * width, (n + 1) * width);
    for (const z of row) if (z > max[n]!) max[n] = z;
    for (const z of row) sum[n]! += Math.exp(z - max[n]!);
  }
  return { max, sum };
}

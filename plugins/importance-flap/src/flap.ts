import type { FinishedLayer, ImportanceCriterion } from "@sdmprune/importance";
import { readFloat64, tf } from "@sdmprune/tensor";
import type { FlapOptions } from "./flap-options.js";

/** Statistics of a neuron's activation that are summed over the samples; the rows of an increment. */
const NUM_SUMS = 3;

/**
 * FLAP (An et al. 2023, https://arxiv.org/abs/2312.11983) for the neurons of an MLP. Its `WIFV` is the variance of the
 * activation over all calibration tokens (one degree of freedom less than tokens) times the squared norm of the
 * neuron's column of the down projection: how much the output moves about the bias that could stand in for the neuron.
 */
export function createFlap({ metric, standardize }: FlapOptions): ImportanceCriterion {
  return {
    needs: { activations: true },
    numSums: NUM_SUMS,
    observe({ layer, activation }, scores) {
      scores.add(layer, tf.tidy(() => sampleStatistics(activation))); // prettier-ignore
    },
    async finish(layer) {
      const values = await metricValues(layer, metric);
      return standardize ? standardized(values) : values;
    },
  };
}

/**
 * Of a sample of `T` tokens with the mean `m`: `sum_t (a - m)^2`, `T * m` and `T * m^2`. From their sums the variance
 * over all samples follows, as in the parallel form of Welford's algorithm (Chan et al. 1979): nothing of the size of the
 * squared mean is subtracted from the variance within the samples.
 *
 * @param activation - Shape `[T, F]`.
 * @returns Shape `[3, F]`.
 */
function sampleStatistics(activation: tf.Tensor2D): tf.Tensor2D {
  const [numTokens] = activation.shape;
  const mean = tf.mean<tf.Tensor1D>(activation, 0); // [T, F] -> [F]
  const within = tf.sum<tf.Tensor1D>(tf.square(tf.sub(activation, mean)), 0); // [T, F] -> [F]
  return tf.stack([within, tf.mul(mean, numTokens), tf.mul(tf.square(mean), numTokens)]) as tf.Tensor2D;
}

async function metricValues(
  { weights, score, numTokens }: FinishedLayer,
  metric: FlapOptions["metric"],
): Promise<Float64Array> {
  const width = score.length / NUM_SUMS;
  const [within, sum, squares] = [0, 1, 2].map((row) => score.subarray(row * width, (row + 1) * width)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  if (metric === "WIFN") {
    const magnitude = await columns(() => tf.mean(tf.abs(weights.down), 0)); // [H, F] -> [F]
    return magnitude.map((m, n) => m * Math.sqrt((within[n]! + squares[n]!) / numTokens));
  }
  const between = squares.map((s, n) => Math.max(0, s - sum[n]! ** 2 / numTokens));
  const variance = within.map((w, n) => (w + between[n]!) / Math.max(1, numTokens - 1));
  if (metric === "IFV") return variance;
  const norm = await columns(() => tf.sum(tf.square(weights.down), 0)); // [H, F] -> [F]
  return variance.map((v, n) => v * norm[n]!);
}

async function columns(compute: () => tf.Tensor): Promise<Float64Array> {
  const tensor = tf.tidy(compute);
  try {
    return await readFloat64(tensor);
  } finally {
    tensor.dispose();
  }
}

/** Zero mean and unit standard deviation (one degree of freedom less); the order stays. */
function standardized(values: Float64Array): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, values.length - 1));
  return values.map((value) => (deviation > 0 ? (value - mean) / deviation : 0));
}

import { removalError } from "./removal-error.js";

/**
 * What the removed neurons add to a layer's output on average (FLAP, https://arxiv.org/abs/2312.11983):
 * `W[:, removed] mean(a[removed])`, to go into the bias of the down projection.
 *
 * @param down - `[H, F]`, row-major.
 * @param mean - Mean activation of every neuron; `[F]`.
 * @param kept - Neurons that stay.
 * @returns `[H]`, float64.
 */
export function meanBias(down: Float64Array, mean: Float64Array, kept: Int32Array): Float64Array {
  const width = mean.length;
  const removed = mean.slice();
  for (const n of kept) removed[n] = 0;
  const bias = new Float64Array(down.length / width);
  for (let row = 0; row < bias.length; row++) {
    for (let n = 0; n < width; n++) bias[row]! += down[row * width + n]! * removed[n]!;
  }
  return bias;
}

/**
 * Squared error of a layer's output, summed over tokens and outputs, when neurons are removed, without and with
 * {@link meanBias} in their place.
 *
 * @param gram - Sum over tokens of `a a^T`; `[F, F]`.
 */
export function meanBiasErrors(
  inputs: { readonly gram: Float64Array; readonly down: Float64Array },
  bias: Float64Array,
  { kept, numTokens }: { readonly kept: Int32Array; readonly numTokens: number },
): { errorBefore: number; errorAfter: number } {
  const errorBefore = removalError(inputs.gram, inputs.down, kept);
  // The bias is the mean of what is missing: it takes N |mean|^2 off.
  const explained = numTokens * bias.reduce((total, value) => total + value * value, 0);
  return { errorBefore, errorAfter: Math.max(0, errorBefore - explained) };
}

import { NonFiniteError } from "@sdmprune/core";

/**
 * Refuses NaN and infinite values. Readers and writers of this package pass them through untouched; whoever
 * computes with a tensor decides.
 *
 * @param where - Names the values: `model.safetensors: tensor "lm_head.weight"`.
 * @param shape - Their shape, to name the place in the message; flat by default.
 * @throws {NonFiniteError} If there is one; the message has its value and index.
 */
export function assertFinite(
  values: Float32Array | Float64Array,
  where: string,
  shape: readonly number[] = [values.length],
): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new NonFiniteError(
        `${where}: expected finite values, got ${values[i]} at [${unravel(i, shape)}].`,
      );
    }
  }
}

function unravel(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  for (const dimension of [...shape].reverse()) {
    index.unshift(flat % dimension);
    flat = Math.floor(flat / dimension);
  }
  return index.join(", ");
}

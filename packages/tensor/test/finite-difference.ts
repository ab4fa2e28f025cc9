import { Rng } from "@sdmprune/core";

/** Standard normal numbers that float32 holds exactly, so that both precisions compute on the same input. */
export function randomValues(label: string, size: number, scale = 1): Float64Array {
  const rng = new Rng(7, label);
  return Float64Array.from({ length: size }, () => Math.fround(scale * rng.normal()));
}

/**
 * Gradient of `sum(dy * f(x))` by `x`, by central differences in float64. With the step 1e-5 it is right to about
 * 1e-9 for the smooth functions tested here.
 */
export function vectorJacobianProduct(
  f: (x: Float64Array) => Float64Array,
  x: Float64Array,
  dy: Float64Array,
  step = 1e-5,
): Float64Array {
  const at = (i: number, delta: number): number => {
    const moved = Float64Array.from(x);
    moved[i]! += delta;
    return f(moved).reduce((sum, y, j) => sum + y * dy[j]!, 0);
  };
  return x.map((_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

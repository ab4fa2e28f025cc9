import { subtractProducts, type MatrixView } from "./float64-products.js";

/**
 * Squared error of a layer's output, summed over tokens and outputs, when neurons are removed: `tr(W_p G_pp W_p^T)` over
 * the removed ones.
 *
 * @param gram - Sum over tokens of `a a^T`; `[F, F]`, symmetric, float64.
 * @param down - The down projection; `[H, F]`, row-major, float64.
 * @param kept - Neurons that stay.
 */
export function removalError(gram: Float64Array, down: Float64Array, kept: Int32Array): number {
  const width = Math.round(Math.sqrt(gram.length));
  const rows = down.length / width;
  const removed = complement(kept, width);
  const n = removed.length;
  const downRemoved = selectColumns(down, rows, width, removed);
  const product = new Float64Array(rows * n);
  const block = selectBlock(gram, width, removed, removed);
  subtractProducts(matrix(product, n), matrix(downRemoved, n), matrix(block, n), rows, n, n);
  return -dot(product, downRemoved);
}

/** A whole matrix. */
export function matrix(values: Float64Array, stride: number): MatrixView {
  return { values, start: 0, stride };
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The indices below `width` that are not in `kept`. */
export function complement(kept: Int32Array, width: number): Int32Array {
  const isKept = new Uint8Array(width);
  for (const n of kept) isKept[n] = 1;
  return Int32Array.from(isKept.keys()).filter((n) => isKept[n] === 0);
}

export function selectColumns(
  values: Float64Array,
  rows: number,
  columns: number,
  selected: Int32Array,
): Float64Array {
  const out = new Float64Array(rows * selected.length);
  for (let row = 0, o = 0; row < rows; row++) {
    for (const column of selected) out[o++] = values[row * columns + column]!;
  }
  return out;
}

/** Rows and columns of a square matrix `[n, n]`. */
export function selectBlock(
  values: Float64Array,
  n: number,
  rows: Int32Array,
  columns: Int32Array,
): Float64Array {
  const out = new Float64Array(rows.length * columns.length);
  let o = 0;
  for (const row of rows) for (const column of columns) out[o++] = values[row * n + column]!;
  return out;
}

import { NonFiniteError } from "@sdmprune/core";
import { subtractProducts, type MatrixView } from "./float64-products.js";

const BLOCK = 64;

/**
 * Cholesky factorisation in float64 of a symmetric positive definite matrix, by blocks: `A = L L^T`.
 *
 * @param a - `[n, n]`, row-major; the lower triangle is read. Becomes `L` below and `L^T` above the diagonal.
 * @throws {NonFiniteError} If it is not positive definite, or has values that are not finite.
 */
export function choleskyInPlace(a: Float64Array, n: number): void {
  const at = (row: number, column: number): MatrixView => ({
    values: a,
    start: row * n + column,
    stride: n,
  });
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(n, start + BLOCK);
    // Everything to the left is done: take its products off this block of columns, and factor what is left.
    subtractProducts(at(start, start), at(start, 0), at(start, 0), n - start, end - start, start);
    for (let row = start; row < n; row++) {
      for (let column = start; column < Math.min(end, row + 1); column++) {
        let sum = a[row * n + column]!;
        for (let t = start; t < column; t++) sum -= a[row * n + t]! * a[column * n + t]!;
        if (row > column) {
          a[row * n + column] = sum / a[column * n + column]!;
          continue;
        }
        if (!(sum > 0 && sum < Infinity)) {
          throw new NonFiniteError(
            `cholesky: expected a positive definite matrix, got the pivot ${sum} at row ${row} of ${n}.`,
          );
        }
        a[row * n + row] = Math.sqrt(sum);
      }
    }
  }
  for (let row = 1; row < n; row++) {
    for (let column = 0; column < row; column++) a[column * n + row] = a[row * n + column]!;
  }
}

/**
 * Solves `X A = B` for the rows of `X`, `A` being symmetric.
 *
 * @param factor - Of `A`, from {@link choleskyInPlace}; `[n, n]`.
 * @param b - `[m, n]`, row-major. Becomes `X`.
 */
export function choleskySolveRows(factor: Float64Array, b: Float64Array, m: number, n: number): void {
  const ofB = (column: number): MatrixView => ({ values: b, start: column, stride: n });
  const ofFactor = (row: number, column: number): MatrixView => ({
    values: factor,
    start: row * n + column,
    stride: n,
  });
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(n, start + BLOCK);
    subtractProducts(ofB(start), ofB(0), ofFactor(start, 0), m, end - start, start);
    for (let row = 0; row < m; row++) {
      for (let i = start; i < end; i++) {
        let sum = b[row * n + i]!;
        for (let t = start; t < i; t++) sum -= b[row * n + t]! * factor[i * n + t]!;
        b[row * n + i] = sum / factor[i * n + i]!;
      }
    }
  }
  for (let end = n; end > 0;) {
    const start = Math.floor((end - 1) / BLOCK) * BLOCK;
    subtractProducts(ofB(start), ofB(end), ofFactor(start, end), m, end - start, n - end);
    for (let row = 0; row < m; row++) {
      for (let i = end - 1; i >= start; i--) {
        let sum = b[row * n + i]!;
        for (let t = i + 1; t < end; t++) sum -= b[row * n + t]! * factor[i * n + t]!;
        b[row * n + i] = sum / factor[i * n + i]!;
      }
    }
    end = start;
  }
}

/** A part of a row-major matrix: its first element, and how far apart rows are. */
export interface MatrixView {
  readonly values: Float64Array;
  readonly start: number;
  readonly stride: number;
}

/** Rows of the second factor that are used again and again while they are in a cache. */
const PANEL = 64;

/** Elements of a row that are summed up before the next ones: four rows of them stay in the first-level cache. */
const CHUNK = 512;

/**
 * `C[i, j] -= sum_t A[i, t] * B[j, t]` in float64: rows times rows, which both lie in order in memory.
 *
 * @param m - Rows of A and C.
 * @param p - Rows of B, columns of C.
 * @param n - Columns of A and B.
 */
export function subtractProducts(
  c: MatrixView,
  a: MatrixView,
  b: MatrixView,
  m: number,
  p: number,
  n: number,
): void {
  for (let panel = 0; panel < p; panel += PANEL) {
    const end = Math.min(p, panel + PANEL);
    for (let chunk = 0; chunk < n; chunk += CHUNK) {
      const length = Math.min(CHUNK, n - chunk);
      for (let i = 0; i < m; i += 2) {
        for (let j = panel; j < end; j += 4)
          tile(c, a, b, i, j, chunk, length, i + 1 < m, Math.min(4, end - j));
      }
    }
  }
}

/** Two rows by four: eight sums, which stay in registers. At an edge, rows are computed twice and left out. */
function tile(
  c: MatrixView,
  a: MatrixView,
  b: MatrixView,
  i: number,
  j: number,
  offset: number,
  length: number,
  hasSecond: boolean,
  columns: number,
): void {
  const av = a.values;
  const bv = b.values;
  const a0 = a.start + i * a.stride + offset;
  const a1 = hasSecond ? a0 + a.stride : a0;
  const b0 = b.start + j * b.stride + offset;
  const b1 = columns > 1 ? b0 + b.stride : b0;
  const b2 = columns > 2 ? b1 + b.stride : b0;
  const b3 = columns > 3 ? b2 + b.stride : b0;
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  for (let t = 0; t < length; t++) {
    const x0 = av[a0 + t]!;
    const x1 = av[a1 + t]!;
    const y0 = bv[b0 + t]!;
    const y1 = bv[b1 + t]!;
    const y2 = bv[b2 + t]!;
    const y3 = bv[b3 + t]!;
    s00 += x0 * y0;
    s01 += x0 * y1;
    s02 += x0 * y2;
    s03 += x0 * y3;
    s10 += x1 * y0;
    s11 += x1 * y1;
    s12 += x1 * y2;
    s13 += x1 * y3;
  }
  const cv = c.values;
  const c0 = c.start + i * c.stride + j;
  cv[c0]! -= s00;
  if (columns > 1) cv[c0 + 1]! -= s01;
  if (columns > 2) cv[c0 + 2]! -= s02;
  if (columns > 3) cv[c0 + 3]! -= s03;
  if (!hasSecond) return;
  const c1 = c0 + c.stride;
  cv[c1]! -= s10;
  if (columns > 1) cv[c1 + 1]! -= s11;
  if (columns > 2) cv[c1 + 2]! -= s12;
  if (columns > 3) cv[c1 + 3]! -= s13;
}

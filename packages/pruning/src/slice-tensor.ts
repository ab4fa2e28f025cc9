import { ShapeError } from "@sdmprune/core";
import { indexRuns } from "@sdmprune/model-io";

type Elements = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/**
 * Keeps the given positions of one axis of a vector or matrix. Works on raw elements, so that
 * what is kept stays equal bit for bit, whatever the dtype.
 *
 * @param bytes - Row-major little-endian data, not changed.
 * @param shape - `[n]` or `[rows, columns]`.
 * @param itemSize - Bytes of one element: 1, 2, 4 or 8.
 * @param kept - Ascending positions along `axis`.
 * @param axis - 0 or 1.
 * @param into - Takes the result, if it is as long and aligned; else a new array does.
 * @throws {ShapeError} If it is no vector or matrix, or has no such axis.
 */
export function sliceTensor(
  bytes: Uint8Array,
  shape: readonly number[],
  itemSize: number,
  kept: Int32Array,
  axis: number,
  into?: Uint8Array,
): Uint8Array {
  const [rows, columns] = shape;
  if (rows === undefined || shape.length > 2 || axis >= shape.length) {
    throw new ShapeError(
      `sliceTensor: expected a vector or matrix with an axis ${axis}, got shape [${shape.join(", ")}].`,
    );
  }
  const size = (axis === 0 ? (columns ?? 1) : rows) * kept.length * itemSize;
  const fits = into?.byteLength === size && into.byteOffset % itemSize === 0;
  const out = fits ? into : new Uint8Array(size);
  if (axis === 0) keepRows(bytes, out, (columns ?? 1) * itemSize, kept);
  else {
    const [from, to] = [elements(bytes, itemSize), elements(out, itemSize)];
    keepColumns(from as Uint32Array, to as Uint32Array, rows, columns!, kept);
  }
  return out;
}

function keepRows(bytes: Uint8Array, out: Uint8Array, rowBytes: number, kept: Int32Array): void {
  for (const { start, end, first } of indexRuns(kept)) {
    const rows = bytes.subarray(first * rowBytes, (first + end - start) * rowBytes);
    out.set(rows, start * rowBytes);
  }
}

function keepColumns(
  source: Uint32Array,
  out: Uint32Array,
  rows: number,
  columns: number,
  kept: Int32Array,
): void {
  for (let row = 0, o = 0; row < rows; row++) {
    const start = row * columns;
    for (let j = 0; j < kept.length; j++) out[o++] = source[start + kept[j]!]!;
  }
}

/** Widens a vector or matrix along one axis with zeros at the end. */
export function padTensor(
  bytes: Uint8Array,
  shape: readonly number[],
  itemSize: number,
  width: number,
  axis: number,
): Uint8Array {
  if (shape[axis] === width) return bytes;
  if (axis === 0) {
    const rowBytes = (shape[1] ?? 1) * itemSize;
    const out = new Uint8Array(width * rowBytes);
    out.set(bytes);
    return out;
  }
  const [rows, columns] = shape as [number, number];
  const out = new Uint8Array(rows * width * itemSize);
  for (let row = 0; row < rows; row++) {
    out.set(bytes.subarray(row * columns * itemSize, (row + 1) * columns * itemSize), row * width * itemSize);
  }
  return out;
}

/** The bytes as elements of their own size; copied first where they are not aligned. */
function elements(bytes: Uint8Array, itemSize: number): Elements {
  const aligned = bytes.byteOffset % itemSize === 0 ? bytes : bytes.slice();
  const length = aligned.byteLength / itemSize;
  switch (itemSize) {
    case 1:
      return aligned;
    case 2:
      return new Uint16Array(aligned.buffer, aligned.byteOffset, length);
    case 4:
      return new Uint32Array(aligned.buffer, aligned.byteOffset, length);
    case 8:
      return new BigUint64Array(aligned.buffer, aligned.byteOffset, length);
    default:
      throw new ShapeError(`sliceTensor: expected elements of 1, 2, 4 or 8 bytes, got ${itemSize}.`);
  }
}

import { ShapeError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { runFused } from "../fused-kernels.js";

/** Cosines and sines of the rotation angles: `[T, R/2]`, or `[B, T, R/2]` with positions per batch row; float32. */
export interface RotaryTables {
  cos: tf.Tensor;
  sin: tf.Tensor;
}

/**
 * Tables for {@link rotary}: `cos(position * frequency)` and the sines, computed in float64 and rounded once.
 *
 * @param frequencies - `R/2` radians per position, of `rotaryFrequencies`.
 * @param positions - Absolute positions: `T` of them, or `batch * T` in row-major order.
 * @param batch - Rows of `positions`; given, the tables are `[batch, T, R/2]`, else `[T, R/2]`.
 * @returns The caller disposes both.
 * @throws {ShapeError} If the positions do not divide into `batch` rows.
 */
export function rotaryTables(
  frequencies: Float64Array,
  positions: ArrayLike<number>,
  batch?: number,
): RotaryTables {
  const pairs = frequencies.length;
  if (batch !== undefined && (batch < 1 || positions.length % batch !== 0)) {
    throw new ShapeError(`rotaryTables: positions must divide into ${batch} rows, got ${positions.length}.`);
  }
  const cos = new Float32Array(positions.length * pairs);
  const sin = new Float32Array(positions.length * pairs);
  for (let t = 0; t < positions.length; t++) {
    for (let i = 0; i < pairs; i++) {
      const angle = positions[t]! * frequencies[i]!;
      cos[t * pairs + i] = Math.cos(angle);
      sin[t * pairs + i] = Math.sin(angle);
    }
  }
  const shape = batch === undefined ? [positions.length, pairs] : [batch, positions.length / batch, pairs];
  return { cos: tf.tensor(cos, shape, "float32"), sin: tf.tensor(sin, shape, "float32") };
}

/**
 * Rotary position embedding in the half-split form of Hugging Face: coordinate `i` of a head is paired with
 * `i + R/2`. Coordinates from `R` on pass through.
 *
 * Shapes: `B` = batch, `T` = tokens, `D` = head size, `R` = its rotated part; float32.
 *
 * @param x - Queries or keys; `[B, T, heads, D]`.
 * @param tables - Of {@link rotaryTables}.
 * @returns As `x`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function rotary(x: tf.Tensor4D, tables: RotaryTables): tf.Tensor4D {
  return rotate("rotary", x, tables, false);
}

/**
 * Gradient of {@link rotary} by `x`: the rotation backwards.
 *
 * @param dy - `[B, T, heads, D]`.
 * @param tables - Those of the forward pass.
 * @returns As `dy`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function rotaryBackward(dy: tf.Tensor4D, tables: RotaryTables): tf.Tensor4D {
  return rotate("rotaryBackward", dy, tables, true);
}

function rotate(where: string, x: tf.Tensor4D, { cos, sin }: RotaryTables, inverse: boolean): tf.Tensor4D {
  const sizes: Sizes = {};
  checkShape(where, inverse ? "dy" : "x", x, ["B", "T", "heads", "D"], sizes);
  const tableShape = cos.rank === 3 ? ["B", "T", "R/2"] : ["T", "R/2"];
  checkShape(where, "tables.cos", cos, tableShape, sizes);
  checkShape(where, "tables.sin", sin, tableShape, sizes);
  const half = sizes["R/2"]!;
  const headDim = sizes["D"]!;
  if (2 * half > headDim) {
    throw new ShapeError(
      `${where}: R must be at most the head size D=${headDim}, got tables for R=${2 * half}.`,
    );
  }
  const fused = runFused("SdmRotary", { x, cos, sin }, { inverse });
  if (fused) return fused as tf.Tensor4D;
  return tf.tidy(() => {
    const c = tf.expandDims(cos, -2); // [(B,) T, R/2] -> [(B,) T, 1, R/2]
    const s = tf.expandDims(inverse ? tf.neg(sin) : sin, -2);
    const first = tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, half]);
    const second = tf.slice(x, [0, 0, 0, half], [-1, -1, -1, half]);
    const parts = [tf.sub(tf.mul(first, c), tf.mul(second, s)), tf.add(tf.mul(second, c), tf.mul(first, s))];
    if (2 * half < headDim) parts.push(tf.slice(x, [0, 0, 0, 2 * half], [-1, -1, -1, -1]));
    return tf.concat(parts, 3) as tf.Tensor4D;
  });
}

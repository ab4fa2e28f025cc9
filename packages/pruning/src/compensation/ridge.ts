import { NonFiniteError, ShapeError } from "@sdmprune/core";
import { choleskyInPlace, choleskySolveRows } from "./cholesky.js";
import { subtractProducts } from "./float64-products.js";
import { complement, dot, matrix, removalError, selectBlock, selectColumns } from "./removal-error.js";

export interface RidgeInputs {
  /** Sum over the calibration tokens of `a a^T`, `a` being the dense activations; `[F, F]`, symmetric, float64. */
  readonly gram: Float64Array;
  /** The down projection; `[H, F]`, row-major, float64. */
  readonly down: Float64Array;
  /** Neurons that stay, ascending. */
  readonly kept: Int32Array;
  /** Regularisation, as a part of the mean diagonal element of the Gram matrix. */
  readonly lambda: number;
}

export interface RidgeResult {
  /** New columns of the kept neurons; `[H, k]`, row-major. */
  readonly down: Float64Array;
  /** Squared error of the layer's output, summed over tokens and outputs, when the other neurons are merely removed. */
  readonly errorBefore: number;
  /** The same with the new columns. */
  readonly errorAfter: number;
}

/**
 * The down projection of the kept neurons that, on the calibration tokens, comes nearest to what the whole layer puts
 * out, by ridge regression in float64: with the activations `A` `[F, N]`, those of the kept neurons `A_k`, the output
 * `Y = W A` and `l = lambda * mean(diag(A A^T))`,
 *
 * `W' = Y A_k^T (A_k A_k^T + l I)^-1`.
 *
 * A bias of the projection is in both outputs and changes nothing.
 *
 * @throws {ShapeError} If the sizes do not fit.
 * @throws {NonFiniteError} If the activations' Gram matrix is not finite, or too singular for this `lambda`.
 */
export function ridgeDownProjection({ gram, down, kept, lambda }: RidgeInputs): RidgeResult {
  const F = Math.round(Math.sqrt(gram.length));
  const H = down.length / F;
  if (F * F !== gram.length || !Number.isInteger(H)) {
    throw new ShapeError(
      `ridgeDownProjection: expected gram [F, F] and down [H, F], got ${gram.length} and ${down.length} values.`,
    );
  }
  const k = kept.length;
  const removed = complement(kept, F);
  const p = removed.length;
  let trace = 0;
  for (let n = 0; n < F; n++) trace += gram[n * F + n]!;
  const penalty = (lambda * trace) / F;

  // Solved for the change D = W' - W_k: D (G_kk + l I) = W_p G_pk - l W_k.
  const downKept = selectColumns(down, H, F, kept);
  const downRemoved = selectColumns(down, H, F, removed);
  const products = new Float64Array(H * k); // W_p G_pk, whose sign subtractProducts turns
  const keptByRemoved = selectBlock(gram, F, kept, removed);
  subtractProducts(matrix(products, k), matrix(downRemoved, p), matrix(keptByRemoved, p), H, k, p);
  const change = downKept.map((weight, i) => -products[i]! - penalty * weight);
  const right = change.slice();
  const factor = selectBlock(gram, F, kept, kept);
  for (let i = 0; i < k; i++) factor[i * k + i]! += penalty;
  try {
    choleskyInPlace(factor, k);
  } catch (cause) {
    throw new NonFiniteError(
      `ridge compensation: the activations of ${k} kept neurons cannot be told apart with lambda ${lambda}. Give a larger lambda, or more calibration text.`,
      { cause },
    );
  }
  choleskySolveRows(factor, change, H, k);

  const errorBefore = removalError(gram, down, kept);
  // |E|^2 with E = W_p A_p - D A_k: the products are at hand.
  const errorAfter =
    errorBefore + 2 * dot(change, products) + dot(change, right) - penalty * dot(change, change);
  return {
    down: downKept.map((weight, i) => weight + change[i]!),
    errorBefore,
    errorAfter: Math.max(0, errorAfter),
  };
}

import { ShapeError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";

/**
 * Rows of an embedding table.
 *
 * Shapes: `N` = tokens, `V` = vocabulary, `H` = hidden.
 *
 * @param ids - Token ids in `[0, V)`; `[N]`, int32. Not checked against `V`: the values may be on a device.
 * @param table - `[V, H]`, float32.
 * @returns `[N, H]`. The caller disposes it.
 * @throws {ShapeError} If a shape or the dtype of `ids` is wrong.
 */
export function embedding(ids: tf.Tensor1D, table: tf.Tensor2D): tf.Tensor2D {
  checkIds("embedding", ids);
  checkShape("embedding", "table", table, ["V", "H"], {});
  return tf.gather(table, ids);
}

/**
 * Gradient of {@link embedding} by the table: rows of equal ids are summed, the others are 0.
 *
 * @param ids - `[N]`, int32.
 * @param dy - `[N, H]`.
 * @param vocabSize - `V`.
 * @returns `[V, H]`. The caller disposes it.
 * @throws {ShapeError} If a shape or the dtype of `ids` is wrong.
 */
export function embeddingBackward(ids: tf.Tensor1D, dy: tf.Tensor2D, vocabSize: number): tf.Tensor2D {
  checkIds("embeddingBackward", ids);
  const sizes = { N: ids.size };
  checkShape("embeddingBackward", "dy", dy, ["N", "H"], sizes);
  return tf.tidy(() => tf.scatterND<tf.Rank.R2>(tf.reshape(ids, [-1, 1]), dy, [vocabSize, dy.shape[1]]));
}

function checkIds(where: string, ids: tf.Tensor1D): void {
  checkShape(where, "ids", ids, ["N"], {});
  if (ids.dtype !== "int32") {
    throw new ShapeError(`${where}: ids must have dtype int32, got ${ids.dtype}.`);
  }
}

import { ShapeError } from "@sdmprune/core";
import type * as tf from "@tensorflow/tfjs-core";

/** Sizes by shape letter, filled in by {@link checkShape}. */
export type Sizes = Record<string, number>;

/**
 * Checks a tensor's shape against letters (`["N", "H"]`) or numbers. A letter met for the first time takes the size
 * it finds; from then on it must have that size.
 *
 * @param where - The operation, and `name` the argument: the start of the error.
 * @throws {ShapeError} With the shape in letters, the sizes known so far, and the shape found.
 */
export function checkShape(
  where: string,
  name: string,
  tensor: tf.Tensor,
  shape: readonly (string | number)[],
  sizes: Sizes,
): void {
  const known = { ...sizes };
  const fits =
    tensor.rank === shape.length &&
    shape.every((dimension, axis) => {
      const size = tensor.shape[axis]!;
      if (typeof dimension === "number") return size === dimension;
      known[dimension] ??= size;
      return known[dimension] === size;
    });
  if (fits) {
    Object.assign(sizes, known);
    return;
  }
  const bound = shape
    .filter((d): d is string => typeof d === "string" && sizes[d] !== undefined)
    .map((d) => `${d}=${sizes[d]}`);
  const note = bound.length > 0 ? ` with ${bound.join(", ")}` : "";
  throw new ShapeError(
    `${where}: ${name} must have shape [${shape.join(", ")}]${note}, got [${tensor.shape.join(", ")}].`,
  );
}

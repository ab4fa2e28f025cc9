import { tf } from "@sdmprune/tensor";
import type { FinishedLayer, ImportanceCriterion } from "../criterion.js";

/** Norm of a neuron's whole group: `sqrt(sum gate^2 + sum up^2 + sum down^2)`. Needs no data. */
export function createMagnitude(): ImportanceCriterion {
  return { needs: {}, finish: ({ weights }) => tf.tidy(() => groupNorm(weights)) };
}

/** @returns Shape `[F]`. */
function groupNorm({ gate, up, down }: FinishedLayer["weights"]): tf.Tensor1D {
  const rows = tf.add(tf.sum(tf.square(gate), 1), tf.sum(tf.square(up), 1)); // [F, H] -> [F]
  return tf.sqrt(tf.add(rows, tf.sum(tf.square(down), 0))); // [H, F] -> [F]
}

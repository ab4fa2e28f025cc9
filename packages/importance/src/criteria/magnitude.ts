import { tf } from "@sdmprune/tensor";
import { z } from "zod";
import type { FinishedLayer, ImportanceCriterion } from "../criterion.js";

export const magnitudeOptions = z.strictObject({
  of: z
    .enum(["group", "down", "maw"])
    .default("group")
    .describe(
      "group: norm of all its weights. down: norm of its column of the down projection. maw: largest weight minus the smallest, of gate and of up.",
    ),
});

/**
 * Size of a neuron's weights. Needs no data.
 *
 * - `group`: `sqrt(sum gate^2 + sum up^2 + sum down^2)`
 * - `down`: `sqrt(sum down^2)`, FLAP's baseline
 * - `maw`: `max gate + |min gate| + max up + |min up|`, OptiPFair's "maximum absolute weight"
 */
export function createMagnitude({
  of,
}: Partial<z.output<typeof magnitudeOptions>> = {}): ImportanceCriterion {
  const score = { group: groupNorm, down: downNorm, maw: peakToPeak }[of ?? "group"];
  return { needs: {}, finish: ({ weights }) => tf.tidy(() => score(weights)) };
}

type Weights = FinishedLayer["weights"];

/** @returns Shape `[F]`, as the others. */
function groupNorm({ gate, up, down }: Weights): tf.Tensor1D {
  const rows = tf.add(tf.sum(tf.square(gate), 1), tf.sum(tf.square(up), 1)); // [F, H] -> [F]
  return tf.sqrt(tf.add(rows, tf.sum(tf.square(down), 0))); // [H, F] -> [F]
}

function downNorm({ down }: Weights): tf.Tensor1D {
  return tf.sqrt(tf.sum(tf.square(down), 0)); // [H, F] -> [F]
}

function peakToPeak({ gate, up }: Weights): tf.Tensor1D {
  const ofRows = (matrix: tf.Tensor2D): tf.Tensor => tf.add(tf.max(matrix, 1), tf.abs(tf.min(matrix, 1)));
  return tf.add(ofRows(gate), ofRows(up)); // [F, H] -> [F]
}

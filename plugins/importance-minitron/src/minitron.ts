import type { ImportanceCriterion } from "@sdmprune/importance";
import { tf } from "@sdmprune/tensor";

/**
 * Minitron (https://arxiv.org/abs/2407.14679) for the neurons of an MLP: the mean magnitude of the activation over the
 * tokens of a sample, then the Euclidean norm over the samples: `sqrt(sum_samples (mean_t |a|)^2)`. Forward passes only.
 */
export function createMinitron(): ImportanceCriterion {
  return {
    needs: { activations: true },
    observe({ layer, activation }, scores) {
      scores.add(
        layer,
        tf.tidy(() => tf.square(tf.mean(tf.abs(activation), 0))), // [T, F] -> [F]
      );
    },
    finish: ({ score }) => score.map(Math.sqrt),
  };
}

import type { ImportanceCriterion } from "@sdmprune/importance";
import { tf } from "@sdmprune/tensor";

/**
 * HFPrune (https://arxiv.org/abs/2603.08083): `sum over tokens of |activation * gradient|` at the input of the down
 * projection. The loss is the entropy of the model's own predictions, mean over all positions of a sample, so that
 * neither labels nor a teacher are wanted. The absolute value is taken token by token.
 */
export function createHfPrune(): ImportanceCriterion {
  return {
    needs: { gradients: { loss: "entropy" } },
    observe({ layer, activation, activationGrad }, scores) {
      scores.add(
        layer,
        tf.tidy(() => tf.sum(tf.abs(tf.mul(activation, activationGrad)), 0)), // [T, F] -> [F]
      );
    },
  };
}

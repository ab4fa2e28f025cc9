import { definePlugin } from "@sdmprune/core";
import type { ImportanceCriterion } from "@sdmprune/importance";
import { tf } from "@sdmprune/tensor";
import { z } from "zod";

const options = z.strictObject({
  power: z
    .number()
    .positive()
    .default(1)
    .describe("Exponent of the activations; 2 stresses rare large ones."),
});

/** Mean over the calibration tokens of |activation|^power. */
function createActivationMean({ power }: z.output<typeof options>): ImportanceCriterion {
  return {
    needs: { activations: true },
    observe({ layer, activation }, scores) {
      const sum = tf.tidy(() => tf.sum(tf.pow(tf.abs(activation), power), 0)); // [N, F] -> [F]
      scores.add(layer, sum);
    },
    finish: ({ score, numTokens }) => score.map((sum) => sum / numTokens),
  };
}

export default definePlugin({
  name: "activation-mean",
  register({ importances }) {
    importances.register("activation-mean", createActivationMean, {
      description: "Mean magnitude of a neuron's activation; forward passes only.",
      options,
    });
  },
});

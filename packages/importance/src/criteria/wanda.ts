import { tf } from "@sdmprune/tensor";
import type { MlpBackwardObservation } from "@sdmprune/models";
import type { FinishedLayer, ImportanceCriterion } from "../criterion.js";
import type { ScoreAccumulator } from "../score-accumulator.js";

/**
 * Wanda (Sun et al. 2023, https://arxiv.org/abs/2306.11695) for whole neurons, as FLAP's "Wanda-sp" does it:
 * `mean_h |w_down[h, n]| * sqrt(mean over calibration tokens of activation[n]^2)`. Forward passes only.
 */
export function createWanda(): ImportanceCriterion {
  return {
    needs: { activations: true },
    observe: (
      { layer, activation }: Pick<MlpBackwardObservation, "layer" | "activation">,
      scores: ScoreAccumulator,
    ) => {
      scores.add(
        layer,
        tf.tidy(() => tf.sum(tf.square(activation), 0)), // [N, F] -> [F]
      );
    },
    finish: wandaScore,
  };
}

async function wandaScore({ weights, score, numTokens }: FinishedLayer): Promise<Float64Array> {
  const columnMeansTensor = tf.tidy(() => tf.mean(tf.abs(weights.down), 0)); // [H, F] -> [F]
  const columnMeans = await columnMeansTensor.data();
  columnMeansTensor.dispose();
  return score.map((sumOfSquares, n) => columnMeans[n]! * Math.sqrt(sumOfSquares / numTokens));
}

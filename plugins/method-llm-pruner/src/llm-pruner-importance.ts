import type { FinishedLayer, ImportanceCriterion, ScoreAccumulator } from "@sdmprune/importance";
import type { MlpBackwardObservation } from "@sdmprune/models";
import { linearBackwardWeight, readFloat64, tf } from "@sdmprune/tensor";
import type { ImportanceOptions } from "./llm-pruner-options.js";

const MATRICES = ["gate", "up", "down"] as const;

const loss = "cross-entropy";

/**
 * LLM-Pruner's Taylor importance (Ma et al. 2023, https://arxiv.org/abs/2305.11627) of the group that an MLP neuron is:
 * its rows of the gate and up projections and its column of the down projection. With `g` the gradient of the mean loss
 * over all calibration samples and `s` the mean of each sample's squared gradient, summed over the neuron's weights:
 *
 * - `param_first`: `|w g|`
 * - `param_second`: `w^2 s`
 * - `param_mix`: `|w g - w^2 s / 2|`
 * - `vectorize`: `w g`, then the absolute value for each of the three matrices
 */
export function createLlmPrunerImportance({ taylor }: ImportanceOptions): ImportanceCriterion {
  switch (taylor) {
    case "param_first":
      return {
        needs: { gradients: { loss }, weightGradients: "mean" },
        finish: (layer) => sumOverMatrices(layer, ({ weight, gradient }) => tf.abs(tf.mul(weight, gradient))),
      };
    case "vectorize":
      return {
        needs: { gradients: { loss }, weightGradients: "mean" },
        finish: (layer) => sumOverMatrices(layer, ({ weight, gradient }) => tf.mul(weight, gradient)),
      };
    case "param_mix":
      return {
        needs: { gradients: { loss }, weightGradients: "mean-and-square" },
        finish: (layer) => sumOverMatrices(layer, mixedSalience),
      };
    case "param_second":
      // A sum of squares over the samples adds up neuron by neuron: nothing else is kept.
      return {
        needs: { gradients: { loss } },
        observe: addSecondOrder,
        finish: ({ score, nsamples }) => score.map((sum) => sum / nsamples),
      };
  }
}

/** One matrix of an MLP and its gradients; `[F, H]`, or `[H, F]` for the down projection. */
interface Matrix {
  readonly weight: tf.Tensor2D;
  readonly gradient: tf.Tensor2D;
  readonly meanSquare: tf.Tensor2D | undefined;
}

/** `|w g - w^2 s / 2|` for each weight: what its removal changes, to second order with a diagonal Hessian. */
function mixedSalience({ weight, gradient, meanSquare }: Matrix): tf.Tensor2D {
  const first = tf.mul(weight, gradient);
  const second = tf.mul(tf.square(weight), meanSquare!);
  return tf.abs(tf.sub(first, tf.mul(second, 0.5)));
}

/** Sums the salience of weights over a neuron's part of each matrix, takes the magnitude, and adds up the matrices. */
async function sumOverMatrices(
  { weights, weightGradients }: FinishedLayer,
  salience: (matrix: Matrix) => tf.Tensor2D,
): Promise<Float64Array> {
  const { mean, meanSquare } = weightGradients!;
  const totals: Float64Array[] = [];
  for (const name of MATRICES) {
    const matrix = { weight: weights[name], gradient: mean[name], meanSquare: meanSquare?.[name] };
    const sums = tf.tidy(() => tf.abs(tf.sum(salience(matrix), hiddenAxis(name)))); // -> [F]
    try {
      totals.push(await readFloat64(sums));
    } finally {
      sums.dispose();
    }
  }
  const [gate, up, down] = totals as [Float64Array, Float64Array, Float64Array];
  return gate.map((value, n) => value + up[n]! + down[n]!);
}

/** Adds `sum over the neuron's weights of (w g)^2` of one sample. */
function addSecondOrder(observation: MlpBackwardObservation, scores: ScoreAccumulator): void {
  const { layer, weights, input, activation, gateGrad, upGrad, outputGrad } = observation;
  const inputs = { gate: input, up: input, down: activation };
  const outputs = { gate: gateGrad, up: upGrad, down: outputGrad };
  const ofMatrix = (name: (typeof MATRICES)[number]): tf.Tensor1D =>
    tf.tidy(() => {
      const gradient = linearBackwardWeight(inputs[name], outputs[name]);
      return tf.sum<tf.Tensor1D>(tf.square(tf.mul(weights[name], gradient)), hiddenAxis(name)); // -> [F]
    });
  scores.add(
    layer,
    tf.tidy(() => tf.addN(MATRICES.map(ofMatrix))),
  );
}

/** The axis of a matrix along which the weights of one neuron lie. */
function hiddenAxis(matrix: (typeof MATRICES)[number]): 0 | 1 {
  return matrix === "down" ? 0 : 1;
}

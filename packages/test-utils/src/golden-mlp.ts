import type { MlpBackwardObservation } from "@sdmprune/models";
import { gatedMlpBackward, gatedMlpSaving, tf } from "@sdmprune/tensor";
import { ScoreAccumulator, type FinishedLayer, type ImportanceCriterion } from "@sdmprune/importance";

/** One sample of three tokens (T) and one gated MLP of two inputs (H) and three neurons (F), small enough to compute by hand. */
const INPUT = [1, -1, 2, 0.5, -0.5, 1.5]; // [T, H]
const OUTPUT_GRAD = [0.5, -0.25, 1, 0.75, -0.25, 0.5]; // [T, H]
const GATE = [1, -0.5, 0.5, 1, -1, 0.25]; // [F, H]
const UP = [0.5, 1, -1, 0.5, 0.25, -0.75]; // [F, H]
const DOWN = [1, -0.5, 0.25, 0.5, 1, -1]; // [H, F]

/**
 * Shows a criterion the golden sample and gives its scores of the three neurons. Leaves no tensor behind.
 *
 * The gradients by the weights, which `finish` gets where it asks for them, are `dWgate = [[4.229558, 1.30144282],
 * [-1.10425986, 0.74165753], [-0.29923602, 0.93624525]]`, `dWup = [[4.5599085, 0.56512007], [0.40393327, 0.96980832],
 * [0.31860654, -0.35435017]]` and `dWdown = [[2.01677792, -2.30818801, 0.02263701], [1.65659281, -1.07312311,
 * -0.33975501]]`.
 */
export async function scoreGoldenMlp(criterion: ImportanceCriterion): Promise<number[]> {
  const input = tf.tensor2d(INPUT, [3, 2]);
  const outputGrad = tf.tensor2d(OUTPUT_GRAD, [3, 2]);
  const weights = {
    gate: tf.tensor2d(GATE, [3, 2]),
    up: tf.tensor2d(UP, [3, 2]),
    down: tf.tensor2d(DOWN, [2, 3]),
  };
  const { output, saved } = gatedMlpSaving(input, weights);
  const { dx, ...gradients } = gatedMlpBackward(input, weights, saved, outputGrad);
  const scores = new ScoreAccumulator("golden", [3], undefined, criterion.numSums);
  const observation: MlpBackwardObservation = {
    layer: 0,
    weights,
    input,
    outputGrad,
    ...saved,
    ...gradients,
  };
  const { gateGrad, upGrad } = gradients;
  const mean = {
    gate: tf.matMul<tf.Tensor2D>(gateGrad, input, true),
    up: tf.matMul<tf.Tensor2D>(upGrad, input, true),
    down: tf.matMul<tf.Tensor2D>(outputGrad, saved.activation, true),
  };
  const meanSquare = { gate: tf.square(mean.gate), up: tf.square(mean.up), down: tf.square(mean.down) };
  try {
    criterion.observe?.(observation, scores);
    await scores.flush();
    const finished: FinishedLayer = {
      layer: 0,
      weights,
      score: scores.sums[0]!,
      nsamples: 1,
      numTokens: 3,
      weightGradients: { mean, meanSquare },
    };
    return await values((await criterion.finish?.(finished)) ?? finished.score);
  } finally {
    scores.dispose();
    tf.dispose([input, outputGrad, weights, output, dx, { ...saved }, { ...gradients }, mean, meanSquare]);
  }
}

async function values(scores: tf.Tensor1D | Float64Array): Promise<number[]> {
  if (scores instanceof Float64Array) return [...scores];
  const read = [...(await scores.data())];
  scores.dispose();
  return read;
}

import type { MlpBackwardObservation } from "@sdmprune/models";
import { gatedMlpBackward, gatedMlpSaving, tf } from "@sdmprune/tensor";
import type { ImportanceCriterion } from "../src/index.js";
import { ScoreAccumulator } from "../src/index.js";

const GATE = [
  [1, -0.5],
  [0.5, 1],
  [-1, 0.25],
]; // [F=3, H=2]
const UP = [
  [0.5, 1],
  [-1, 0.5],
  [0.25, -0.75],
];
const DOWN = [
  [1, -0.5, 0.25],
  [0.5, 1, -1],
]; // [H, F]
const INPUT = [
  [1, -1],
  [2, 0.5],
  [-0.5, 1.5],
]; // [T=3, H]
const OUTPUT_GRAD = [
  [0.5, -0.25],
  [1, 0.75],
  [-0.25, 0.5],
];

/** Scores of the golden MLP of three neurons after one sample of three tokens. */
export async function scoreGoldenMlp(criterion: ImportanceCriterion): Promise<number[]> {
  const weights = { gate: tf.tensor2d(GATE), up: tf.tensor2d(UP), down: tf.tensor2d(DOWN) };
  const input = tf.tensor2d(INPUT);
  const outputGrad = tf.tensor2d(OUTPUT_GRAD);
  const { output, saved } = gatedMlpSaving(input, weights, {});
  const { dx, gateGrad, upGrad, activationGrad } = gatedMlpBackward(input, weights, saved, outputGrad, {});
  const { gate, up, activation } = saved;
  const grads = { outputGrad, activationGrad, gateGrad, upGrad };
  const observation: MlpBackwardObservation = { layer: 0, weights, input, gate, up, activation, ...grads };
  const accumulator = new ScoreAccumulator("golden", [3]);
  criterion.observe?.(observation, accumulator);
  await accumulator.flush("the golden sample");
  const score = accumulator.sums[0]!;
  const finished = await criterion.finish?.({ layer: 0, weights, score, nsamples: 1, numTokens: 3 });
  const result = finished instanceof tf.Tensor ? await finished.data() : (finished ?? score);
  tf.dispose([input, output, dx, { ...weights }, { ...saved }, grads]);
  if (finished instanceof tf.Tensor) finished.dispose();
  return Array.from(result);
}

import { NonFiniteError, ShapeError } from "@sdmprune/core";
import type { CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import type { FinishedLayer, ImportanceCriterion } from "./criterion.js";
import type { WeightGradients, WeightGradientSums } from "./weight-gradients.js";

export interface SampleCounts {
  readonly nsamples: number;
  readonly numTokens: number;
}

/**
 * Turns the sums of all criteria into scores, reading the MLP weights of one layer after another if any criterion
 * has a `finish`.
 *
 * @param gradients - Sums of weight gradients by criterion that asked for them; a layer's are freed as it is done.
 *
 * @throws {NonFiniteError} If a score is NaN or infinite.
 */
export async function finishScores(
  model: CausalLM,
  criteria: ReadonlyMap<string, ImportanceCriterion>,
  sums: ReadonlyMap<string, readonly Float64Array[]>,
  counts: SampleCounts,
  gradients: ReadonlyMap<string, WeightGradientSums> = new Map(),
): Promise<Map<string, Float64Array[]>> {
  const scores = new Map<string, Float64Array[]>(
    [...sums].map(([name, layers]) => [name, layers.map((layer) => layer.slice())]),
  );
  const finishing = [...criteria].filter(([, criterion]) => criterion.finish);
  if (finishing.length === 0) return scores;
  for (let layer = 0; layer < model.config.numLayers; layer++) {
    const weights = await model.mlpWeights(layer);
    try {
      for (const [name, criterion] of finishing) {
        const score = scores.get(name)![layer]!;
        const weightGradients = gradients.get(name)?.means(layer, counts.nsamples);
        const finished = { layer, weights, score, ...counts, ...(weightGradients && { weightGradients }) };
        try {
          scores.get(name)![layer] = await finishLayer(name, criterion, finished);
        } finally {
          if (weightGradients) disposeGradients(weightGradients);
        }
      }
    } finally {
      tf.dispose({ ...weights });
      for (const sums of gradients.values()) sums.dispose(layer);
    }
  }
  return scores;
}

/**
 * The scores of one layer.
 *
 * @throws {ShapeError} If the criterion gives another number of scores than the layer has neurons.
 * @throws {NonFiniteError} If a score is NaN or infinite.
 */
export async function finishLayer(
  name: string,
  criterion: ImportanceCriterion,
  layer: FinishedLayer,
): Promise<Float64Array> {
  if (!criterion.finish) return layer.score;
  const score = await readScores(await criterion.finish(layer));
  const width = layer.score.length / (criterion.numSums ?? 1);
  if (score.length !== width) {
    throw new ShapeError(
      `importance "${name}": finish() must return ${width} scores for layer ${layer.layer}, got ${score.length}.`,
    );
  }
  const bad = score.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    throw new NonFiniteError(
      `importance "${name}": layer ${layer.layer}: neuron ${bad} got the score ${score[bad]}. Check the checkpoint for NaN or infinite weights.`,
    );
  }
  return score;
}

function disposeGradients({ mean, meanSquare }: WeightGradients): void {
  tf.dispose([{ ...mean }, { ...meanSquare }]);
}

/** What `finish` returned, as float64; a tensor is disposed. */
async function readScores(result: tf.Tensor1D | Float64Array): Promise<Float64Array> {
  if (result instanceof Float64Array) return result;
  try {
    return Float64Array.from(await result.data());
  } finally {
    result.dispose();
  }
}

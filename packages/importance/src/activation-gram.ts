import { InterruptedError, startTask, type ProgressListener } from "@sdmprune/core";
import {
  withBlock,
  withBlockHeld,
  type CausalLM,
  type MlpObservation,
  type SequenceContext,
} from "@sdmprune/models";
import { tf, type GatedMlpWeights } from "@sdmprune/tensor";
import type { SweepSample } from "./calibration-sweep.js";

/** What a model's MLP has seen and put out over all samples; `F` = intermediate size; float64. */
export interface LayerStatistics {
  readonly layer: number;
  /** Lent until the callback is done. */
  readonly weights: GatedMlpWeights;
  /** Sum over all tokens of `a a^T`, `a` being the input of the down projection; `[F, F]`, symmetric. */
  readonly gram: Float64Array;
  /** Sum over all tokens of `a`; `[F]`. */
  readonly sum: Float64Array;
  /** Sum over all tokens of the squared output, without the bias. */
  readonly outputEnergy: number;
  readonly numTokens: number;
}

export interface ActivationGramRequest {
  readonly model: CausalLM;
  readonly samples: readonly SweepSample[];
  readonly progress: ProgressListener;
  readonly signal?: AbortSignal;
  /** What progress calls it. */
  readonly task: string;
  /** Called for one layer after another; its Gram matrix is used again afterwards. */
  readonly onLayer: (statistics: LayerStatistics) => Promise<void> | void;
}

/** Rows of a Gram matrix that are computed at once. */
const TILE = 1024;

/**
 * Runs a model forward once, layer by layer for all samples, and shows second moments of every MLP's activations. Products
 * are float32 within a sample and float64 over the samples. Holds the hidden states of all samples, `[T, H]` each,
 * and one Gram matrix.
 *
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function activationGrams(request: ActivationGramRequest): Promise<void> {
  const { model, samples, signal, onLayer } = request;
  const { numLayers, intermediateSizes } = model.config;
  const numTokens = samples.reduce((sum, { ids }) => sum + ids.length, 0);
  const task = startTask(request.progress, request.task, { total: numLayers, unit: "layers" });
  const travellers: { context: SequenceContext; hidden: tf.Tensor2D }[] = [];
  let gram = new Float64Array(0);
  try {
    for (const { ids } of samples) {
      const context = model.sequence(1, ids.length);
      travellers.push({ context, hidden: await model.embed(ids, context) });
    }
    for (let layer = 0; layer < numLayers; layer++) {
      if (signal?.aborted) throw new InterruptedError(`Interrupted: ${request.task}.`);
      const F = intermediateSizes[layer]!;
      gram = gram.length === F * F ? gram.fill(0) : new Float64Array(F * F);
      const sum = new Float64Array(F);
      let outputEnergy = 0;
      await withBlockHeld(model, layer, async () => {
        for (const traveller of travellers) {
          const { hidden, context } = traveller;
          const seen: { activation?: tf.Tensor2D; energy?: tf.Tensor } = {};
          const mlp = ({ activation, weights }: MlpObservation): void => {
            seen.activation = tf.clone(activation);
            seen.energy = tf.tidy(() =>
              tf.sum(tf.square(tf.matMul(activation, weights.down, false, true)), 1),
            );
          };
          try {
            traveller.hidden = await withBlock(model, layer, signal, (block) =>
              block.forward(hidden, context, { mlp }),
            );
            hidden.dispose();
            for (const value of await seen.energy!.data()) outputEnergy += value;
            await addGram(gram, sum, seen.activation!);
          } finally {
            tf.dispose(seen);
          }
        }
      });
      mirror(gram, F);
      const weights = await model.mlpWeights(layer);
      try {
        await onLayer({ layer, weights, gram, sum, outputEnergy, numTokens });
      } finally {
        tf.dispose({ ...weights });
      }
      task.advance(layer + 1);
    }
  } finally {
    for (const { hidden, context } of travellers) {
      hidden.dispose();
      context.dispose();
    }
    task.end();
  }
}

/** Adds one sample's products to the upper triangle, by tiles of rows. */
async function addGram(gram: Float64Array, sum: Float64Array, activation: tf.Tensor2D): Promise<void> {
  const [T, F] = activation.shape;
  const total = tf.sum(activation, 0); // [T, F] -> [F]
  (await total.data()).forEach((value, n) => (sum[n]! += value));
  total.dispose();
  for (let start = 0; start < F; start += TILE) {
    const size = Math.min(TILE, F - start);
    const products = tf.tidy(() => {
      const rows = tf.slice(activation, [0, start], [T, size]);
      const rest = tf.slice(activation, [0, start], [T, F - start]);
      return tf.matMul(rows, rest, true); // [T, size]^T [T, F - start] -> [size, F - start]
    });
    const values = await products.data();
    products.dispose();
    for (let row = 0, i = 0; row < size; row++) {
      const at = (start + row) * F + start;
      for (let column = 0; column < F - start; column++) gram[at + column]! += values[i++]!;
    }
  }
}

/** Copies the upper triangle of a matrix `[n, n]` to the lower one. */
function mirror(gram: Float64Array, n: number): void {
  for (let row = 1; row < n; row++) {
    for (let column = 0; column < row; column++) gram[row * n + column] = gram[column * n + row]!;
  }
}

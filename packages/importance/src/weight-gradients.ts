import { tf, linearBackwardWeight } from "@sdmprune/tensor";
import type { MlpBackwardObservation } from "@sdmprune/models";

/** A value for every weight of one gated MLP, as its weights lie; `F` = intermediate, `H` = hidden; float32. */
export interface MlpMatrices {
  /** `[F, H]` */
  readonly gate: tf.Tensor2D;
  /** `[F, H]` */
  readonly up: tf.Tensor2D;
  /** `[H, F]` */
  readonly down: tf.Tensor2D;
}

/** Gradients of the loss by the weights of one MLP, over all samples; each sample counts the same. */
export interface WeightGradients {
  /** The gradient of the mean loss: signs cancel between samples. */
  readonly mean: MlpMatrices;
  /** The mean of each sample's squared gradient, if it was asked for. */
  readonly meanSquare?: MlpMatrices;
}

const MATRICES = ["gate", "up", "down"] as const;

type Sums = Record<(typeof MATRICES)[number], tf.Tensor2D>;

/**
 * Sums of weight gradients over the samples, float32, for every layer: as much memory as the MLPs' weights, and once
 * more with squares. Samples are added in their order, so that the sums do not depend on how they are grouped.
 */
export class WeightGradientSums {
  readonly #sums = new Map<number, Sums>();
  readonly #squares = new Map<number, Sums>();

  /** @param withSquares - Whether to sum the squared gradients of each sample, too. */
  constructor(readonly withSquares: boolean) {}

  /** Adds the gradients of one layer and sample. */
  add(observation: MlpBackwardObservation): void {
    const { layer, input, activation, gateGrad, upGrad, outputGrad } = observation;
    const gradients = {
      gate: () => linearBackwardWeight(input, gateGrad),
      up: () => linearBackwardWeight(input, upGrad),
      down: () => linearBackwardWeight(activation, outputGrad),
    };
    for (const matrix of MATRICES) {
      const gradient = gradients[matrix]();
      try {
        if (this.withSquares) addInto(this.#squares, layer, matrix, tf.square(gradient));
        addInto(this.#sums, layer, matrix, tf.clone(gradient));
      } finally {
        gradient.dispose();
      }
    }
  }

  /**
   * The means over the samples of one layer. The caller disposes them.
   *
   * @throws {RangeError} If nothing was added for the layer.
   */
  means(layer: number, nsamples: number): WeightGradients {
    const mean = (all: ReadonlyMap<number, Sums>): MlpMatrices => {
      const sums = all.get(layer);
      if (!sums) throw new RangeError(`weight gradients: expected some of layer ${layer}, got none.`);
      const { gate, up, down } = sums;
      return { gate: tf.div(gate, nsamples), up: tf.div(up, nsamples), down: tf.div(down, nsamples) };
    };
    return { mean: mean(this.#sums), ...(this.withSquares && { meanSquare: mean(this.#squares) }) };
  }

  /** Frees the sums of one layer, or of all. */
  dispose(layer?: number): void {
    for (const all of [this.#sums, this.#squares]) {
      for (const [each, sums] of [...all]) {
        if (layer !== undefined && each !== layer) continue;
        tf.dispose(sums);
        all.delete(each);
      }
    }
  }
}

/** Adds to a sum and takes the tensor over. */
function addInto(
  all: Map<number, Sums>,
  layer: number,
  matrix: (typeof MATRICES)[number],
  value: tf.Tensor2D,
): void {
  const sums = all.get(layer) ?? ({} as Sums);
  all.set(layer, sums);
  const before = sums[matrix] as tf.Tensor2D | undefined;
  if (!before) {
    sums[matrix] = value;
    return;
  }
  sums[matrix] = tf.add(before, value);
  tf.dispose([before, value]);
}

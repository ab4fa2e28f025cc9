import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { runFused } from "../fused-kernels.js";

/** What {@link sdmNeuronScore} reads of one gated MLP and one sample; float32. */
export interface SdmNeuronScoreInputs {
  /** Input of the MLP; `[N, H]`. */
  x: tf.Tensor2D;
  /** Input of the down projection; `[N, F]`. */
  activation: tf.Tensor2D;
  /** Gradient by the output of the gate projection; `[N, F]`. */
  gateGrad: tf.Tensor2D;
  /** Gradient by the output of the up projection; `[N, F]`. */
  upGrad: tf.Tensor2D;
  /** Gradient by the output of the MLP; `[N, H]`. */
  dy: tf.Tensor2D;
  /** `[F, H]` */
  gate: tf.Tensor2D;
  /** `[F, H]` */
  up: tf.Tensor2D;
  /** `[H, F]` */
  down: tf.Tensor2D;
}

/** Elements of one tile of a weight gradient: 4 MB, so that three of them stay in a cache. */
const TILE_ELEMENTS = 1 << 20;

/**
 * What one sample adds to every neuron's score in SDMPrune (https://arxiv.org/abs/2506.11120): weight times gradient
 * of the three matrices, added at the same coordinate, then the absolute value, then the mean over the hidden dimension:
 * `mean_h |down * dDown + up * dUp + gate * dGate|`. The weight gradients exist a tile of neurons at a time.
 *
 * Shapes: `N` = tokens of the sample, `H` = hidden, `F` = intermediate.
 *
 * @returns `[F]`, float32. The caller disposes it, and sums it over the samples in float64.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function sdmNeuronScore(inputs: SdmNeuronScoreInputs): tf.Tensor1D {
  const { F, H } = checkInputs(inputs);
  const fused = runFused("SdmNeuronScore", inputs, {});
  if (fused) return fused as tf.Tensor1D;
  const tile = Math.max(1, Math.floor(TILE_ELEMENTS / Math.max(1, H)));
  return tf.tidy(() => {
    const scores: tf.Tensor1D[] = [];
    for (let start = 0; start < F; start += tile) {
      scores.push(tileScore(inputs, start, Math.min(tile, F - start)));
    }
    return tf.concat(scores);
  });
}

function tileScore(inputs: SdmNeuronScoreInputs, start: number, size: number): tf.Tensor1D {
  const { x, activation, gateGrad, upGrad, dy, gate, up, down } = inputs;
  const columns = (t: tf.Tensor2D): tf.Tensor2D => tf.slice(t, [0, start], [-1, size]);
  const rows = (t: tf.Tensor2D): tf.Tensor2D => tf.slice(t, [start, 0], [size, -1]);
  return tf.tidy(() => {
    // [N, f]^T [N, H] -> [f, H], times the weights of the same neurons
    const downTerm = tf.mul(tf.matMul(columns(activation), dy, true), tf.transpose(columns(down)));
    const upTerm = tf.mul(tf.matMul(columns(upGrad), x, true), rows(up));
    const gateTerm = tf.mul(tf.matMul(columns(gateGrad), x, true), rows(gate));
    return tf.mean<tf.Tensor1D>(tf.abs(tf.add(tf.add(downTerm, upTerm), gateTerm)), 1);
  });
}

function checkInputs(inputs: SdmNeuronScoreInputs): { F: number; H: number } {
  const sizes: Sizes = {};
  const shapes = {
    x: ["N", "H"],
    dy: ["N", "H"],
    gate: ["F", "H"],
    up: ["F", "H"],
    down: ["H", "F"],
    activation: ["N", "F"],
    gateGrad: ["N", "F"],
    upGrad: ["N", "F"],
  } as const satisfies Record<keyof SdmNeuronScoreInputs, readonly string[]>;
  for (const [name, shape] of Object.entries(shapes)) {
    checkShape("sdmNeuronScore", name, inputs[name as keyof SdmNeuronScoreInputs], shape, sizes);
  }
  return { F: sizes["F"]!, H: sizes["H"]! };
}

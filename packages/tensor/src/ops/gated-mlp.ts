import * as tf from "@tensorflow/tfjs-core";
import { checkShape, type Sizes } from "../check-shape.js";
import { type GatedActivationName, runFused } from "../fused-kernels.js";
import { ACTIVATIONS } from "./activation.js";
import { adaptedLinear, adaptedLinearBackward, type LinearAdapter } from "./linear-adapter.js";

/** Weights of a gated MLP in Hugging Face layout; `H` = hidden, `F` = intermediate; float32. */
export interface GatedMlpWeights {
  /** `[F, H]` */
  gate: tf.Tensor2D;
  /** `[F, H]` */
  up: tf.Tensor2D;
  /** `[H, F]` */
  down: tf.Tensor2D;
  /** `[F]` */
  gateBias?: tf.Tensor1D | undefined;
  /** `[F]` */
  upBias?: tf.Tensor1D | undefined;
  /** `[H]` */
  downBias?: tf.Tensor1D | undefined;
}

export interface GatedMlpOptions {
  /** `hidden_act` of the model's config. Default `silu`. */
  activation?: GatedActivationName | undefined;
  /** Factor of every neuron: 0 takes a neuron out. `[F]`, float32. */
  mask?: tf.Tensor1D | undefined;
  /**
   * What the mask multiplies. `activation`: `act(g) * u`. `projections`: `g` and `u` each, so that a soft mask can be
   * folded into the rows of both matrices. Default `activation`; masks of zeros and ones are the same either way.
   */
  maskAt?: "activation" | "projections" | undefined;
  /** Low-rank changes of the three matrices. */
  adapters?: GatedMlpAdapters | undefined;
}

export interface GatedMlpAdapters {
  readonly gate?: LinearAdapter | undefined;
  readonly up?: LinearAdapter | undefined;
  readonly down?: LinearAdapter | undefined;
}

/** What the backward pass needs of the forward pass; `[N, F]` each. */
export interface GatedMlpSaved {
  /** `g = x gate^T` */
  gate: tf.Tensor2D;
  /** `u = x up^T` */
  up: tf.Tensor2D;
  /** `a = act(g) * u`, masked: the input of the down projection. */
  activation: tf.Tensor2D;
}

/** Gradients of a gated MLP. Those of the weights follow by `linearBackwardWeight(x, gateGrad)` and so on. */
export interface GatedMlpGradients {
  /** By the input; `[N, H]`. */
  dx: tf.Tensor2D;
  /** By `g`; `[N, F]`. */
  gateGrad: tf.Tensor2D;
  /** By `u`; `[N, F]`. */
  upGrad: tf.Tensor2D;
  /** By `a`, which the mask is already in; `[N, F]`. */
  activationGrad: tf.Tensor2D;
  /** By the mask, summed over the rows; `[F]`. Only if a mask was given. */
  maskGrad?: tf.Tensor1D;
  /** By the matrices of the adapters that there are; `[r, I]` and `[O, r]`. */
  gateAdapterA?: tf.Tensor2D;
  gateAdapterB?: tf.Tensor2D;
  upAdapterA?: tf.Tensor2D;
  upAdapterB?: tf.Tensor2D;
  downAdapterA?: tf.Tensor2D;
  downAdapterB?: tf.Tensor2D;
}

/**
 * Gated MLP of a Llama (Shazeer 2020, https://arxiv.org/abs/2002.05202):
 * `y = (act(x gate^T) * (x up^T) * mask) down^T`, with the biases if there are any; `maskAt` moves the mask.
 *
 * Shapes: `N` = rows, `H` = hidden, `F` = intermediate; float32.
 *
 * @param x - `[N, H]`.
 * @returns `[N, H]`. The caller disposes it.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function gatedMlp(
  x: tf.Tensor2D,
  weights: GatedMlpWeights,
  options: GatedMlpOptions = {},
): tf.Tensor2D {
  checkGatedMlp("gatedMlp", x, weights, options);
  return tf.tidy(() => forward(x, weights, options).output);
}

/**
 * {@link gatedMlp}, with what {@link gatedMlpBackward} and the importance criteria need.
 *
 * @param x - `[N, H]`.
 * @returns `output [N, H]` and `saved`. The caller disposes all four tensors.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function gatedMlpSaving(
  x: tf.Tensor2D,
  weights: GatedMlpWeights,
  options: GatedMlpOptions = {},
): { output: tf.Tensor2D; saved: GatedMlpSaved } {
  checkGatedMlp("gatedMlpSaving", x, weights, options);
  return tf.tidy(() => forward(x, weights, options));
}

/**
 * What {@link gatedMlpSaving} saves, to the same bits, without the product that only the output needs.
 *
 * @param x - `[N, H]`.
 * @returns The caller disposes all three tensors.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function gatedMlpRecompute(
  x: tf.Tensor2D,
  weights: GatedMlpWeights,
  options: GatedMlpOptions = {},
): GatedMlpSaved {
  checkGatedMlp("gatedMlpRecompute", x, weights, options);
  return tf.tidy(
    () => untilDown(x, weights, options) as unknown as tf.TensorContainerObject,
  ) as unknown as GatedMlpSaved;
}

/**
 * Gradient of {@link gatedMlp} by its input and by everything between its matrices.
 *
 * @param x - The input of the forward pass; `[N, H]`.
 * @param saved - Of {@link gatedMlpSaving}; not disposed.
 * @param dy - `[N, H]`.
 * @param options - Those of the forward pass.
 * @returns Tensors which the caller disposes.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function gatedMlpBackward(
  x: tf.Tensor2D,
  weights: GatedMlpWeights,
  saved: GatedMlpSaved,
  dy: tf.Tensor2D,
  options: GatedMlpOptions = {},
): GatedMlpGradients {
  const sizes = checkGatedMlp("gatedMlpBackward", x, weights, options);
  checkShape("gatedMlpBackward", "dy", dy, ["N", "H"], sizes);
  checkShape("gatedMlpBackward", "saved.gate", saved.gate, ["N", "F"], sizes);
  checkShape("gatedMlpBackward", "saved.up", saved.up, ["N", "F"], sizes);
  checkShape("gatedMlpBackward", "saved.activation", saved.activation, ["N", "F"], sizes);
  const { adapters = {} } = options;
  return tf.tidy(() => {
    const ofAdapters: Record<string, tf.Tensor2D> = {};
    /** Gradient by the input of a layer, added to `sum`. */
    const through = (
      name: keyof GatedMlpAdapters,
      input: tf.Tensor2D,
      dOutput: tf.Tensor2D,
      sum?: tf.Tensor2D,
    ): tf.Tensor2D => {
      const { dx, gradients } = adaptedLinearBackward(input, dOutput, weights[name], adapters[name], sum);
      if (gradients) {
        ofAdapters[`${name}AdapterA`] = gradients.a;
        ofAdapters[`${name}AdapterB`] = gradients.b;
      }
      return dx;
    };
    const activationGrad = through("down", saved.activation, dy); // [N, H] -> [N, F]
    const { gateGrad, upGrad, maskGrad } = backwardToProjections(saved, activationGrad, options);
    const dx = through("up", x, upGrad, through("gate", x, gateGrad));
    const gradients: GatedMlpGradients = { dx, gateGrad, upGrad, activationGrad, ...ofAdapters };
    if (maskGrad) gradients.maskGrad = maskGrad;
    return gradients as unknown as tf.TensorContainerObject;
  }) as unknown as GatedMlpGradients;
}

/** From the gradient by the activation to those by the projections before the mask, and by the mask. */
function backwardToProjections(
  { gate, up }: GatedMlpSaved,
  activationGrad: tf.Tensor2D,
  { activation = "silu", mask, maskAt }: GatedMlpOptions,
): { gateGrad: tf.Tensor2D; upGrad: tf.Tensor2D; maskGrad?: tf.Tensor1D } {
  if (!mask || maskAt !== "projections") {
    const [gateGrad, upGrad] = gatedActivationBackward(gate, up, activationGrad, activation, mask);
    if (!mask) return { gateGrad, upGrad };
    const unmasked = gatedActivation(gate, up, activation);
    return { gateGrad, upGrad, maskGrad: tf.sum(tf.mul(activationGrad, unmasked), 0) };
  }
  const [dGate, dUp] = gatedActivationBackward(
    tf.mul(gate, mask),
    tf.mul(up, mask),
    activationGrad,
    activation,
  );
  return {
    gateGrad: tf.mul(dGate, mask),
    upGrad: tf.mul(dUp, mask),
    maskGrad: tf.sum(tf.add(tf.mul(dGate, gate), tf.mul(dUp, up)), 0), // [N, F] -> [F]
  };
}

function forward(x: tf.Tensor2D, weights: GatedMlpWeights, options: GatedMlpOptions) {
  const saved = untilDown(x, weights, options);
  const output = adaptedLinear(saved.activation, weights.down, weights.downBias, options.adapters?.down);
  return { output, saved };
}

function untilDown(x: tf.Tensor2D, weights: GatedMlpWeights, options: GatedMlpOptions) {
  const { adapters } = options;
  const gate = adaptedLinear(x, weights.gate, weights.gateBias, adapters?.gate);
  const up = adaptedLinear(x, weights.up, weights.upBias, adapters?.up);
  return { gate, up, activation: maskedActivation(gate, up, options) };
}

function maskedActivation(
  gate: tf.Tensor2D,
  up: tf.Tensor2D,
  { activation = "silu", mask, maskAt }: GatedMlpOptions,
): tf.Tensor2D {
  if (!mask || maskAt !== "projections") return gatedActivation(gate, up, activation, mask);
  return gatedActivation(tf.mul(gate, mask), tf.mul(up, mask), activation);
}

function gatedActivation(
  gate: tf.Tensor2D,
  up: tf.Tensor2D,
  activation: GatedActivationName,
  mask?: tf.Tensor1D,
): tf.Tensor2D {
  const fused = runFused("SdmGatedActivation", { gate, up, mask }, { activation });
  if (fused) return fused as tf.Tensor2D;
  return tf.tidy(() => {
    const a = tf.mul(ACTIVATIONS[activation].value(gate), up);
    return (mask ? tf.mul(a, mask) : a) as tf.Tensor2D;
  });
}

function gatedActivationBackward(
  gate: tf.Tensor2D,
  up: tf.Tensor2D,
  dActivation: tf.Tensor2D,
  activation: GatedActivationName,
  mask?: tf.Tensor1D,
): [gateGrad: tf.Tensor2D, upGrad: tf.Tensor2D] {
  const fused = runFused("SdmGatedActivationBackward", { gate, up, dActivation, mask }, { activation });
  if (fused) return fused as [tf.Tensor2D, tf.Tensor2D];
  return tf.tidy(() => {
    const { value, derivative } = ACTIVATIONS[activation];
    const d = mask ? tf.mul(dActivation, mask) : dActivation;
    return [tf.mul(tf.mul(d, up), derivative(gate)), tf.mul(d, value(gate))];
  });
}

function checkGatedMlp(
  where: string,
  x: tf.Tensor2D,
  weights: GatedMlpWeights,
  { mask }: GatedMlpOptions,
): Sizes {
  const sizes: Sizes = {};
  checkShape(where, "x", x, ["N", "H"], sizes);
  checkShape(where, "weights.gate", weights.gate, ["F", "H"], sizes);
  checkShape(where, "weights.up", weights.up, ["F", "H"], sizes);
  checkShape(where, "weights.down", weights.down, ["H", "F"], sizes);
  if (weights.gateBias) checkShape(where, "weights.gateBias", weights.gateBias, ["F"], sizes);
  if (weights.upBias) checkShape(where, "weights.upBias", weights.upBias, ["F"], sizes);
  if (weights.downBias) checkShape(where, "weights.downBias", weights.downBias, ["H"], sizes);
  if (mask) checkShape(where, "mask", mask, ["F"], sizes);
  return sizes;
}

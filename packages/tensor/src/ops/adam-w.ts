import { UsageError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";
import { runFused } from "../fused-kernels.js";

/** A parameter, or its update, with the running means of AdamW; all of one shape, float32. */
export interface AdamWState {
  readonly parameter: tf.Tensor;
  /** Running mean of the gradient. */
  readonly m: tf.Tensor;
  /** Running mean of its square. */
  readonly v: tf.Tensor;
}

export interface AdamWOptions {
  readonly learningRate: number;
  /** Decoupled from the gradient: the parameter shrinks by `learningRate * weightDecay`. Default 0. */
  readonly weightDecay?: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Number of this step, from 1. */
  readonly step: number;
  /** Factor of the gradient, as clipping gives it. Default 1. */
  readonly gradientScale?: number;
}

/**
 * One step of AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101), with PyTorch's order of operations.
 *
 * @param state - The parameter and its moments, zeros before the first step; not disposed.
 * @param gradient - In the parameter's shape.
 * @returns The next state: three new tensors, which the caller disposes.
 * @throws {ShapeError} If the shapes differ.
 */
export function adamW(state: AdamWState, gradient: tf.Tensor, options: AdamWOptions): AdamWState {
  const { parameter, m, v } = state;
  for (const [name, tensor] of Object.entries({ gradient, m, v })) {
    checkShape("adamW", name, tensor, parameter.shape, {});
  }
  const { learningRate, weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, step } = options;
  if (!Number.isSafeInteger(step) || step < 1) {
    throw new UsageError(`adamW: expected the number of the step, from 1, got ${step}.`);
  }
  const attrs = {
    gradientScale: options.gradientScale ?? 1,
    beta1,
    beta2,
    epsilon,
    decay: 1 - learningRate * weightDecay,
    stepSize: learningRate / (1 - beta1 ** step),
    rootCorrection: Math.sqrt(1 - beta2 ** step),
  };
  const fused = runFused("SdmAdamW", { parameter, gradient, m, v }, attrs);
  if (fused) return { parameter: fused[0], m: fused[1], v: fused[2] };
  const [moved, nextMean, nextSquare] = tf.tidy((): [tf.Tensor, tf.Tensor, tf.Tensor] => {
    const g = tf.mul(gradient, attrs.gradientScale);
    const nextM = tf.add(m, tf.mul(tf.sub(g, m), 1 - beta1));
    const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const root = tf.add(tf.div(tf.sqrt(nextV), attrs.rootCorrection), epsilon);
    const update = tf.mul(tf.div(nextM, root), attrs.stepSize);
    return [tf.sub(tf.mul(parameter, attrs.decay), update), nextM, nextV];
  });
  return { parameter: moved, m: nextMean, v: nextSquare };
}

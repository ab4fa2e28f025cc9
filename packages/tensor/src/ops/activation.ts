import * as tf from "@tensorflow/tfjs-core";
import type { GatedActivationName } from "../fused-kernels.js";

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

interface Activation {
  value(g: tf.Tensor2D): tf.Tensor2D;
  derivative(g: tf.Tensor2D): tf.Tensor2D;
}

/** Every activation of a gated MLP with its derivative, out of plain tfjs operations. Call inside `tf.tidy`. */
export const ACTIVATIONS: Readonly<Record<GatedActivationName, Activation>> = {
  silu: {
    value: (g) => tf.mul(g, tf.sigmoid(g)),
    derivative: (g) => {
      const s = tf.sigmoid(g);
      return tf.mul(s, tf.add(tf.mul(g, tf.sub(1, s)), 1)); // s (1 + g (1 - s))
    },
  },
  gelu: {
    value: (g) => tf.mul(g, normalCdf(g)),
    derivative: (g) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(g), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.add(normalCdf(g), tf.mul(g, density));
    },
  },
  gelu_pytorch_tanh: {
    value: (g) => tf.mul(tf.mul(g, 0.5), tf.add(tf.tanh(tanhArgument(g)), 1)),
    derivative: (g) => {
      const t = tf.tanh(tanhArgument(g));
      const slope = tf.mul(tf.add(tf.mul(tf.square(g), 3 * GELU_CUBIC), 1), SQRT_2_OVER_PI);
      const bend = tf.mul(tf.mul(g, tf.sub(1, tf.square(t))), slope);
      return tf.mul(tf.add(tf.add(t, 1), bend), 0.5);
    },
  },
  relu: {
    value: (g) => tf.relu(g),
    derivative: (g) => tf.cast(tf.greater(g, 0), "float32"),
  },
};

function normalCdf(g: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(tf.add(tf.erf(tf.mul(g, Math.SQRT1_2)), 1), 0.5);
}

function tanhArgument(g: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(tf.add(g, tf.mul(tf.mul(tf.square(g), g), GELU_CUBIC)), SQRT_2_OVER_PI);
}

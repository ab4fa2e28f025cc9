import { tf } from "@sdmprune/tensor";

/** A linear layer of an MLP with its adapter and the gradients by it. `O` = outputs, `I` = inputs, `r` = rank; float32. */
export interface AdaptedLayer {
  /** Shape `[O, I]`, without the adapter. */
  readonly weight: tf.Tensor2D;
  /** Shape `[r, I]`. */
  readonly a: tf.Tensor2D;
  /** Shape `[O, r]`. */
  readonly b: tf.Tensor2D;
  readonly aGrad: tf.Tensor2D;
  readonly bGrad: tf.Tensor2D;
  readonly scaling: number;
}

/**
 * Salience of the neurons of one MLP by the gradients of its adapters alone (LoRAPrune, Zhang et al. 2023,
 * https://arxiv.org/abs/2305.18403). The gradient of a weight is taken for `G = dB A + B dA - dB dA`, the salience of one of its
 * values for `|G (W + scaling B A)|`. Rows of gate and up and columns of down are summed, each matrix's vector divided by its
 * L2 norm, and the three added.
 *
 * @returns Shape `[F]`. The caller disposes it.
 */
export function mlpSalience(layers: Readonly<Record<"gate" | "up" | "down", AdaptedLayer>>): tf.Tensor1D {
  return tf.tidy(() => {
    const vectors = [salience(layers.gate, 1), salience(layers.up, 1), salience(layers.down, 0)];
    return tf.addN(vectors.map(normalized));
  });
}

/** Sum of the salience of a matrix over `axis`. */
function salience({ weight, a, b, aGrad, bGrad, scaling }: AdaptedLayer, axis: 0 | 1): tf.Tensor1D {
  return tf.tidy(() => {
    // dB A + (B - dB) dA: [O, r] [r, I] -> [O, I]
    const gradient = tf.add(tf.matMul(bGrad, a), tf.matMul(tf.sub<tf.Tensor2D>(b, bGrad), aGrad));
    const merged = tf.add(weight, tf.mul(tf.matMul(b, a), scaling));
    return tf.sum<tf.Tensor1D>(tf.abs(tf.mul(gradient, merged)), axis);
  });
}

/** Divided by the L2 norm; zeros stay zeros. */
export function normalized(vector: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => tf.div<tf.Tensor1D>(vector, tf.maximum(tf.norm(vector), 1e-30)));
}

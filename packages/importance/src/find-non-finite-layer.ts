import { forwardHidden, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";

/**
 * Runs a sequence through a model and looks for NaN and infinities at every MLP.
 *
 * @param ids - Token ids of one sequence.
 * @returns The first layer whose MLP gets or makes a value that is not finite; undefined if there is none. The
 *   output of the last layer's MLP is not looked at.
 */
export async function findNonFiniteLayer(model: CausalLM, ids: Int32Array): Promise<number | undefined> {
  const flags: tf.Tensor[] = []; // one per layer
  try {
    const hidden = await forwardHidden(model, ids, 1, {
      observer: {
        mlp: ({ input, activation }) => flags.push(tf.tidy(() => allFinite(input, activation))),
      },
    });
    flags.push(tf.tidy(() => allFinite(hidden)));
    hidden.dispose();
    for (const [layer, flag] of flags.entries()) {
      if ((await flag.data())[0] === 0) return Math.min(layer, model.config.numLayers - 1);
    }
    return undefined;
  } finally {
    tf.dispose(flags);
  }
}

/** A scalar: 1 if all values of all tensors are finite, else 0. */
function allFinite(...tensors: tf.Tensor[]): tf.Tensor {
  const each = tensors.map((tensor) => tf.all(tf.isFinite(tensor)));
  return each.reduce((a, b) => tf.logicalAnd(a, b));
}

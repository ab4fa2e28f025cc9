import { forwardBlocks, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";

/**
 * Runs a sequence through a model and looks for the first NaN or infinity, at the cost of a forward pass.
 *
 * @param ids - Token ids of one sequence.
 * @returns Where it is: `the embedding` or `layer 3`; undefined if the last block still puts out finite values.
 */
export async function locateNonFinite(model: CausalLM, ids: Int32Array): Promise<string | undefined> {
  const context = model.sequence(1, ids.length);
  const flags: { place: string; isFinite: tf.Tensor }[] = [];
  try {
    const last = await forwardBlocks(model, ids, context, (block, x) => {
      if (block.index === 0) flags.push({ place: "the embedding", isFinite: allFinite(x) });
      const output = block.forward(x, context);
      flags.push({ place: `layer ${block.index}`, isFinite: allFinite(output) });
      return output;
    });
    last.dispose();
    for (const { place, isFinite } of flags) {
      if ((await isFinite.data())[0] === 0) return place;
    }
    return undefined;
  } finally {
    context.dispose();
    for (const { isFinite } of flags) isFinite.dispose();
  }
}

/** A scalar: 1 if all values are finite, else 0. */
function allFinite(tensor: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.all(tf.isFinite(tensor)));
}

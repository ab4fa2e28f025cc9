import { Rng } from "@sdmprune/core";
import type { ImportanceCriterion } from "@sdmprune/importance";
import type { MlpBackwardObservation } from "@sdmprune/models";
import { linearBackwardWeight, tf } from "@sdmprune/tensor";
import type { ImportanceOptions } from "./lora-prune-options.js";
import { normalized } from "./lora-salience.js";

/**
 * LoRAPrune's salience at the very start of training, where `B = 0`: the gradient of a weight is seen through `G = dB A`, a random
 * projection of it of rank `r`, and nothing is trained. Per sample `|G W|` is summed over the rows of gate and up and the columns
 * of down, each vector divided by its L2 norm, and the three added; the score is the sum over the samples.
 *
 * @param draw - First values of `lora_A` of a layer such as `0/gate`, row-major `[r, I]`. Default: as PEFT draws them, from the seed.
 */
export function createLoraPruneImportance(
  { r, seed }: ImportanceOptions,
  draw = (module: string, inputs: number) => drawA(module, inputs, r, seed),
): ImportanceCriterion {
  const drawn = new Map<string, Float32Array>();
  /** `lora_A` of one layer, as PEFT draws it; shape `[r, I]`. */
  const lora = (module: string, inputs: number): tf.Tensor2D => {
    const values = drawn.get(module) ?? draw(module, inputs);
    drawn.set(module, values);
    return tf.tensor2d(values, [r, inputs]);
  };
  return {
    needs: { gradients: { loss: "cross-entropy" } },
    observe(
      { layer, weights, input, activation, gateGrad, upGrad, outputGrad }: MlpBackwardObservation,
      scores,
    ) {
      const salience = (
        part: "gate" | "up" | "down",
        x: tf.Tensor2D,
        dy: tf.Tensor2D,
        axis: 0 | 1,
      ): tf.Tensor1D =>
        tf.tidy(() => {
          const weight = weights[part];
          const a = lora(`${layer}/${part}`, weight.shape[1]);
          const bGrad = linearBackwardWeight(tf.matMul(x, a, false, true), dy); // [N, I] [r, I]^T, [N, O] -> [O, r]
          return normalized(tf.sum<tf.Tensor1D>(tf.abs(tf.mul(tf.matMul(bGrad, a), weight)), axis));
        });
      scores.add(
        layer,
        tf.tidy(() =>
          tf.addN([
            salience("gate", input, gateGrad, 1),
            salience("up", input, upGrad, 1),
            salience("down", activation, outputGrad, 0),
          ]),
        ),
      );
    },
  };
}

function drawA(module: string, inputs: number, r: number, seed: number): Float32Array {
  const rng = new Rng(seed, `importance/lora-prune/${module}`);
  const bound = 1 / Math.sqrt(inputs);
  return Float32Array.from({ length: r * inputs }, () => (2 * rng.uniform() - 1) * bound);
}

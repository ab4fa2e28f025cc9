import { Rng, UsageError } from "@sdmprune/core";
import type * as tf from "@tensorflow/tfjs-core";
import { filledTensor } from "./filled-tensor.js";

/** Which values of a tensor are dropped. The same seed, label and shape drop the same ones, whenever asked. */
export interface Dropout {
  /** Part dropped, in [0, 1). */
  readonly rate: number;
  readonly seed: number;
  /** Names the tensor among those of one seed. */
  readonly label: string;
}

/**
 * The mask of a dropout (Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html): 0 where a value is
 * dropped and 1 elsewhere. The factor `1 / (1 - rate)` is not in it. What is drawn are the distances between dropped values,
 * which are geometrically distributed: a low rate costs few draws.
 *
 * @returns Float32; the caller disposes it.
 * @throws {UsageError} If the rate is not in [0, 1).
 */
export function dropoutMask(shape: readonly number[], { rate, seed, label }: Dropout): tf.Tensor {
  if (!(rate >= 0 && rate < 1)) {
    throw new UsageError(`dropout: expected a rate from 0 to below 1, got ${rate}.`);
  }
  return filledTensor(shape, (values) => {
    values.fill(1);
    if (rate === 0) return;
    const rng = new Rng(seed, label);
    const perLog = 1 / Math.log1p(-rate);
    for (let i = gap(rng, perLog); i < values.length; i += 1 + gap(rng, perLog)) values[i] = 0;
  });
}

/** Number of values kept before the next one that is dropped. */
function gap(rng: Rng, perLog: number): number {
  return Math.floor(Math.log(1 - rng.uniform()) * perLog);
}

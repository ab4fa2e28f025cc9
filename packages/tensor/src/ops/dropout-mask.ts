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
 * The values that a dropout (Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html) drops of `size` of them,
 * each with probability `rate`. What is drawn are the distances between them, which are geometrically distributed: a low rate
 * costs few draws.
 *
 * @returns Their indices, rising.
 * @throws {UsageError} If the rate is not in [0, 1).
 */
export function droppedPositions(size: number, { rate, seed, label }: Dropout): Int32Array {
  if (!(rate >= 0 && rate < 1)) {
    throw new UsageError(`dropout: expected a rate from 0 to below 1, got ${rate}.`);
  }
  if (rate === 0) return new Int32Array(0);
  const rng = new Rng(seed, label);
  const gaps = gapsOf(rate);
  let found = new Int32Array(Math.ceil(size * rate + 6 * Math.sqrt(size * rate)) + 16);
  let count = 0;
  for (let i = -1; ;) {
    const bits = rng.uint32();
    const known = gaps[bits >>> 16]!;
    i += 1 + (known >= 0 ? known : gap(bits, rate));
    if (i >= size) return found.subarray(0, count);
    if (count === found.length) found = enlarged(found);
    found[count++] = i;
  }
}

/**
 * The mask of a dropout: 0 where a value is dropped and 1 elsewhere. The factor `1 / (1 - rate)` is not in it.
 *
 * @returns Float32; the caller disposes it.
 * @throws {UsageError} If the rate is not in [0, 1).
 */
export function dropoutMask(shape: readonly number[], dropout: Dropout): tf.Tensor {
  return filledTensor(shape, (values) => {
    const dropped = droppedPositions(values.length, dropout);
    values.fill(1);
    for (let i = 0; i < dropped.length; i++) values[dropped[i]!] = 0;
  });
}

/** Number of values kept before the next one that is dropped, for 32 random bits. */
function gap(bits: number, rate: number): number {
  return Math.floor(Math.log1p(-bits / 2 ** 32) / Math.log1p(-rate));
}

/** The table made last: a training has one rate. */
let lastGaps: { readonly rate: number; readonly table: Int32Array } | undefined;

/** {@link gap} by the upper 16 bits, -1 where it takes the lower ones to tell: a logarithm takes ten times as long. */
function gapsOf(rate: number): Int32Array {
  if (lastGaps?.rate === rate) return lastGaps.table;
  const table = Int32Array.from({ length: 2 ** 16 }, (_, upper) => {
    const least = gap(upper * 2 ** 16, rate);
    return least === gap(upper * 2 ** 16 + 0xffff, rate) ? least : -1;
  });
  lastGaps = { rate, table };
  return table;
}

function enlarged(values: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(values.length * 2);
  larger.set(values);
  return larger;
}

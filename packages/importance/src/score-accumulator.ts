import { NonFiniteError, ShapeError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";

/**
 * Takes one increment as it is added to a layer's sums, in order; shape `[F]`. A sum over all it was given, in the
 * same order and in float64, is the accumulator's to the bit.
 */
export type IncrementListener = (layer: number, increment: Float32Array) => void;

interface PendingIncrement {
  readonly layer: number;
  readonly increment: tf.Tensor;
  /** The sample it comes from. */
  where?: string;
}

/**
 * Float64 running sums of one criterion, one vector per layer. Increments arrive as tensors from
 * synchronous code and are read back by {@link ScoreAccumulator.flush}, which also works on backends
 * whose reads are asynchronous.
 */
export class ScoreAccumulator {
  readonly sums: readonly Float64Array[];
  readonly #pending: PendingIncrement[] = [];

  /**
   * @param criterion - Name shown in errors.
   * @param widths - Number of neurons per layer.
   * @param onIncrement - Told of every increment that is added up.
   * @param numSums - Vectors of sums per layer; increments have shape `[numSums, F]`.
   */
  constructor(
    readonly criterion: string,
    private readonly widths: readonly number[],
    private readonly onIncrement?: IncrementListener,
    numSums = 1,
  ) {
    this.sums = widths.map((width) => new Float64Array(width * numSums));
  }

  /**
   * Adds an increment of shape `[F]`, or `[numSums, F]`, to a layer's sums and takes the tensor over.
   *
   * @throws {ShapeError} If there is no such layer, or it has another number of neurons.
   */
  add(layer: number, increment: tf.Tensor): void {
    this.#pending.push({ layer, increment }); // ours from here on, also if it does not fit
    const size = this.sums[layer]?.length;
    if (size === undefined) {
      throw new ShapeError(
        `importance "${this.criterion}": expected a layer from 0 to ${this.sums.length - 1}, got ${layer}.`,
      );
    }
    if (increment.size !== size) {
      throw new ShapeError(
        `importance "${this.criterion}": expected an increment of ${size} values for layer ${layer}, got shape [${increment.shape.join(", ")}].`,
      );
    }
  }

  /** Says which sample the increments come from that were added since the last call. */
  attribute(where: string): void {
    for (const pending of this.#pending) pending.where ??= where;
  }

  /**
   * Reads the increments back, adds them up in the order in which they came, and disposes them.
   *
   * @param where - The sample that caused those not yet attributed to one, shown when a value is not finite.
   * @throws {NonFiniteError} If an increment holds NaN or an infinity.
   */
  async flush(where = "some sample"): Promise<void> {
    this.attribute(where);
    while (this.#pending.length > 0) {
      const { layer, increment, where } = this.#pending[0]!;
      const values = asFloat32(await increment.data());
      this.#pending.shift();
      increment.dispose();
      this.addValues(layer, values, where!);
    }
  }

  /**
   * Adds the values of an increment at once.
   *
   * @param where - The sample they come from.
   * @throws {NonFiniteError} If one is NaN or an infinity.
   */
  addValues(layer: number, values: Float32Array, where: string): void {
    const place = `importance "${this.criterion}": layer ${layer}, ${where}`;
    addIncrement(this.sums[layer]!, values, place, this.widths[layer]);
    this.onIncrement?.(layer, values);
  }

  /** Drops increments that were not flushed. */
  dispose(): void {
    for (const { increment } of this.#pending.splice(0)) increment.dispose();
  }
}

/**
 * Adds one increment to float64 sums; a vector of `F` values, not a tensor on a hot path.
 *
 * @param width - Number of neurons; several vectors of sums lie one after another.
 * @throws {NonFiniteError} If it holds NaN or an infinity.
 */
export function addIncrement(
  sums: Float64Array,
  increment: Float32Array,
  where: string,
  width: number = sums.length,
): void {
  for (let n = 0; n < sums.length; n++) {
    const value = increment[n]!;
    if (!Number.isFinite(value)) {
      throw new NonFiniteError(
        `${where}: neuron ${n % width} got the score ${value}. The model's weights or activations overflow; check the checkpoint and the sample.`,
      );
    }
    sums[n]! += value;
  }
}

/** Tensors of integers count, too; up to 2^24 exactly. */
function asFloat32(values: Float32Array | Int32Array | Uint8Array): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

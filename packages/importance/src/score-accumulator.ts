import { NonFiniteError, ShapeError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";

/**
 * Float64 running sums of one criterion, one vector per layer. Increments arrive as tensors from
 * synchronous code and are read back by {@link ScoreAccumulator.flush}, which also works on backends
 * whose reads are asynchronous.
 */
export class ScoreAccumulator {
  readonly sums: readonly Float64Array[];
  readonly #pending: { layer: number; increment: tf.Tensor }[] = [];

  /**
   * @param criterion - Name shown in errors.
   * @param widths - Number of neurons per layer.
   */
  constructor(
    readonly criterion: string,
    widths: readonly number[],
  ) {
    this.sums = widths.map((width) => new Float64Array(width));
  }

  /**
   * Adds an increment of shape `[F]` to a layer's sums and takes the tensor over.
   *
   * @throws {ShapeError} If there is no such layer, or it has another number of neurons.
   */
  add(layer: number, increment: tf.Tensor): void {
    this.#pending.push({ layer, increment }); // ours from here on, also if it does not fit
    const width = this.sums[layer]?.length;
    if (width === undefined) {
      throw new ShapeError(
        `importance "${this.criterion}": expected a layer from 0 to ${this.sums.length - 1}, got ${layer}.`,
      );
    }
    if (increment.size !== width) {
      throw new ShapeError(
        `importance "${this.criterion}": expected an increment of ${width} values for layer ${layer}, got shape [${increment.shape.join(", ")}].`,
      );
    }
  }

  /**
   * Reads the increments back, adds them up and disposes them.
   *
   * @param where - The sample that caused them, shown when a value is not finite.
   * @throws {NonFiniteError} If an increment holds NaN or an infinity.
   */
  async flush(where: string): Promise<void> {
    while (this.#pending.length > 0) {
      const { layer, increment } = this.#pending[0]!;
      const values = await increment.data();
      this.#pending.shift();
      increment.dispose();
      addFinite(this.sums[layer]!, values, `importance "${this.criterion}": layer ${layer}, ${where}`);
    }
  }

  /** Drops increments that were not flushed. */
  dispose(): void {
    for (const { increment } of this.#pending.splice(0)) increment.dispose();
  }
}

/** Adds `values` to `sums`; a vector of `F` values, not a tensor on a hot path. */
function addFinite(sums: Float64Array, values: ArrayLike<number>, where: string): void {
  for (let n = 0; n < sums.length; n++) {
    const value = values[n]!;
    if (!Number.isFinite(value)) {
      throw new NonFiniteError(
        `${where}: neuron ${n} got the score ${value}. The model's weights or activations overflow; check the checkpoint and the sample.`,
      );
    }
    sums[n]! += value;
  }
}

import { tf } from "@sdmprune/tensor";
import { readWeight, type KeptSlices } from "./read-weight.js";
import { WeightCache, type WeightResidency } from "./weight-cache.js";
import type { WeightSource } from "./weight-source.js";

/** Something that reads whole weights of a source through {@link SharedWeights}. */
export interface WeightReader {
  /** Whether it reads this weight here, and not a slice of its own. */
  sharesWeight(name: string): boolean;
}

/**
 * The whole weights of one source, in memory once for all models that have them: a student and its teacher differ in
 * the MLPs alone. A streamed source, and weights that are cut, are read through one scratch buffer, one tensor after the
 * other.
 */
export class SharedWeights {
  readonly cache: WeightCache;
  readonly #readers = new Set<WeightReader>();
  #scratch = new Uint8Array(0);
  #turn: Promise<unknown> = Promise.resolve();
  #rows: { readonly key: string; readonly tensor: tf.Tensor } | undefined;

  constructor(
    readonly source: WeightSource,
    readonly residency: WeightResidency,
  ) {
    this.cache = new WeightCache((name) => this.read(name), residency);
  }

  join(reader: WeightReader): void {
    this.#readers.add(reader);
  }

  /** Frees what no other reader has; all of it after the last one. */
  leave(reader: WeightReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size === 0) {
      this.dropRows();
      this.cache.dispose();
      this.#scratch = new Uint8Array(0);
      return;
    }
    this.freeUnread();
  }

  /** Frees what no reader has any more. */
  freeUnread(): void {
    this.cache.keepOnly((name) => [...this.#readers].some((reader) => reader.sharesWeight(name)));
  }

  /** Reads a weight, or slices of it, from the source. The caller disposes it. */
  read(name: string, kept?: KeptSlices): Promise<tf.Tensor> {
    // A resident weight that is read whole may be the bytes as they were read.
    if (this.residency === "resident" && !kept) return readWeight(this.source, name);
    return this.inTurn((scratch) => readWeight(this.source, name, { kept, scratch }));
  }

  /**
   * Rows `[start, end)` of a weight, read from the source. Those read last stay in memory until a block's weights are
   * wanted: whoever walks the head by chunks asks for each several times. The caller disposes them.
   */
  async rows(name: string, start: number, end: number): Promise<tf.Tensor> {
    const key = `${name} ${start} ${end}`;
    if (this.#rows?.key !== key) {
      this.dropRows();
      const tensor = await this.inTurn((scratch) =>
        readWeight(this.source, name, { rows: [start, end], scratch }),
      );
      this.dropRows();
      this.#rows = { key, tensor };
    }
    return tf.clone(this.#rows.tensor);
  }

  dropRows(): void {
    this.#rows?.tensor.dispose();
    this.#rows = undefined;
  }

  /** Runs `body` with the scratch buffer to itself. */
  inTurn<R>(body: (scratch: (byteLength: number) => Uint8Array) => Promise<R>): Promise<R> {
    const scratch = (byteLength: number): Uint8Array => {
      if (this.#scratch.byteLength < byteLength) this.#scratch = new Uint8Array(byteLength);
      return this.#scratch.subarray(0, byteLength);
    };
    const result = this.#turn.then(() => body(scratch));
    this.#turn = result.catch(() => {}); // the next one does not care
    return result;
  }
}

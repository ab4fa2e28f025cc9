import { UsageError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";
import type { KeptSlices } from "./read-weight.js";
import { SharedWeights, type WeightReader } from "./shared-weights.js";
import { WeightCache, type WeightResidency } from "./weight-cache.js";
import type { WeightSource } from "./weight-source.js";

export interface WeightStoreOptions {
  readonly residency: WeightResidency;
  /** Slices of tensors that the model has; tensors not named are whole. */
  readonly view?: ReadonlyMap<string, KeptSlices>;
  /** Store of another model of the same source: whole weights are in memory once for both. */
  readonly shareWith?: WeightStore | undefined;
}

/** The float32 weights of a model in memory, by checkpoint name, loaded on demand from a source. */
export class WeightStore implements WeightReader {
  readonly #shared: SharedWeights;
  /** Slices, and what was put in a weight's place. */
  readonly #own: WeightCache;
  readonly #view: ReadonlyMap<string, KeptSlices>;
  #isDisposed = false;

  /** @throws {UsageError} If `shareWith` is of another source or residency. */
  constructor(source: WeightSource, { residency, view = new Map(), shareWith }: WeightStoreOptions) {
    if (shareWith && !shareWith.#fits(source, residency)) {
      throw new UsageError(
        "shareWith: expected an open model of the same source and residency, got another.",
      );
    }
    this.#shared = shareWith ? shareWith.#shared : new SharedWeights(source, residency);
    this.#shared.join(this);
    this.#view = view;
    this.#own = new WeightCache((name) => this.#shared.read(name, view.get(name)), residency);
  }

  get source(): WeightSource {
    return this.#shared.source;
  }

  get residency(): WeightResidency {
    return this.#shared.residency;
  }

  sharesWeight(name: string): boolean {
    return !this.#view.has(name) && !this.#own.has(name);
  }

  /** Loads weights that are not in memory and holds them until {@link WeightStore.release}. On failure holds none. */
  async acquire(names: readonly string[]): Promise<void> {
    this.#assertOpen();
    this.#shared.dropRows();
    const { shared, own } = this.#split(names);
    await this.#shared.cache.acquire(shared);
    try {
      await this.#own.acquire(own);
      this.#assertOpen();
    } catch (error) {
      this.#shared.cache.release(shared);
      throw error;
    }
  }

  /** Lets go of acquired weights. */
  release(names: readonly string[]): void {
    const { shared, own } = this.#split(names);
    this.#shared.cache.release(shared);
    this.#own.release(own);
  }

  /** An acquired weight. It belongs to the store. */
  get<T extends tf.Tensor>(name: string): T {
    const tensor = (this.sharesWeight(name) ? this.#shared.cache : this.#own).get(name);
    if (!tensor) throw new UsageError(`Weight "${name}" is not in memory. Acquire its block first.`);
    return tensor as T;
  }

  /** Replaces a weight, for this model alone, and owns the new tensor. */
  set(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
    this.#assertOpen();
    if (this.residency !== "resident") {
      throw new UsageError(
        `Weight "${name}": a streamed model is read-only. Load it with residency "resident".`,
      );
    }
    this.#own.set(name, tensor, shape);
    this.#shared.freeUnread();
  }

  /** Rows `[start, end)` of a whole weight of a streamed model. The caller disposes them. */
  async rows(name: string, start: number, end: number): Promise<tf.Tensor> {
    this.#assertOpen();
    return this.#shared.rows(name, start, end);
  }

  /** Runs `body` with bytes to read into that nobody else makes use of meanwhile. */
  inTurn<R>(body: (scratch: (byteLength: number) => Uint8Array) => Promise<R>): Promise<R> {
    this.#assertOpen();
    return this.#shared.inTurn(body);
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#own.dispose();
    this.#shared.leave(this);
  }

  #fits(source: WeightSource, residency: WeightResidency): boolean {
    return !this.#isDisposed && this.source === source && this.residency === residency;
  }

  #split(names: readonly string[]): { shared: string[]; own: string[] } {
    return {
      shared: names.filter((name) => this.sharesWeight(name)),
      own: names.filter((name) => !this.sharesWeight(name)),
    };
  }

  #assertOpen(): void {
    if (this.#isDisposed) throw new UsageError("The model is disposed.");
  }
}

const stores = new WeakMap<object, WeightStore>();

/** Notes whose weights a model has, so that another one can share them. */
export function registerStore(model: object, store: WeightStore): void {
  stores.set(model, store);
}

/** @throws {UsageError} If the model's family does not share weights. */
export function storeOf(model: object): WeightStore {
  const store = stores.get(model);
  if (!store)
    throw new UsageError("shareWith: expected a model of a family that shares weights, got another.");
  return store;
}

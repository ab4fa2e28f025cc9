import { ShapeError, UsageError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";
import { readWeight, type KeptSlices } from "./read-weight.js";
import type { WeightSource } from "./weight-source.js";

/**
 * How long weights stay in memory. `resident`: from first use until the model is disposed. `streamed`: only
 * while something uses them; they are read again next time.
 */
export type WeightResidency = "resident" | "streamed";

interface StoredWeight {
  /** Settles when the weight is in memory. */
  readonly loading: Promise<tf.Tensor>;
  tensor?: tf.Tensor;
  users: number;
}

/** The float32 weights of a model in memory, by checkpoint name, loaded on demand from a source. */
export class WeightStore {
  readonly #weights = new Map<string, StoredWeight>();
  #isDisposed = false;

  /** @param view - Slices of tensors that the model has; tensors not named are whole. */
  constructor(
    readonly source: WeightSource,
    readonly residency: WeightResidency,
    readonly view: ReadonlyMap<string, KeptSlices> = new Map(),
  ) {}

  /** Loads weights that are not in memory and holds them until {@link WeightStore.release}. On failure holds none. */
  async acquire(names: readonly string[]): Promise<void> {
    this.#assertOpen();
    const weights = names.map((name) => this.#entry(name));
    for (const weight of weights) weight.users++;
    const results = await Promise.allSettled(weights.map(({ loading }) => loading));
    const failure = results.find((result) => result.status === "rejected");
    if (failure) {
      names.forEach((name, i) => this.#letGo(name, weights[i]!));
      throw failure.reason;
    }
    this.#assertOpen();
  }

  /** Lets go of acquired weights. */
  release(names: readonly string[]): void {
    for (const name of names) {
      const weight = this.#weights.get(name);
      if (weight) this.#letGo(name, weight);
    }
  }

  /** An acquired weight. It belongs to the store. */
  get<T extends tf.Tensor>(name: string): T {
    const tensor = this.#weights.get(name)?.tensor;
    if (!tensor) throw new UsageError(`Weight "${name}" is not in memory. Acquire its block first.`);
    return tensor as T;
  }

  /** Replaces a weight and owns the new tensor. */
  set(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
    this.#assertOpen();
    if (this.residency !== "resident") {
      throw new UsageError(
        `Weight "${name}": a streamed model is read-only. Load it with residency "resident".`,
      );
    }
    if (tensor.dtype !== "float32" || tensor.shape.join() !== shape.join()) {
      throw new ShapeError(
        `Weight "${name}" must be float32 of shape [${shape.join(", ")}], got ${tensor.dtype} [${tensor.shape.join(", ")}].`,
      );
    }
    const before = this.#weights.get(name);
    if (before?.tensor !== tensor) before?.tensor?.dispose();
    this.#weights.set(name, { loading: Promise.resolve(tensor), tensor, users: before?.users ?? 0 });
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const { tensor } of this.#weights.values()) tensor?.dispose();
    this.#weights.clear();
  }

  #letGo(name: string, weight: StoredWeight): void {
    weight.users--;
    if (this.residency === "resident" || weight.users > 0 || this.#weights.get(name) !== weight) return;
    weight.tensor?.dispose();
    this.#weights.delete(name);
  }

  #entry(name: string): StoredWeight {
    const known = this.#weights.get(name);
    if (known) return known;
    const loading = readWeight(this.source, name, { kept: this.view.get(name) });
    const weight: StoredWeight = { loading, users: 0 };
    this.#weights.set(name, weight);
    loading.then(
      (tensor) => {
        const isWanted = this.#weights.get(name) === weight;
        if (isWanted) weight.tensor = tensor;
        else tensor.dispose(); // disposed or replaced while it was read
      },
      () => {
        if (this.#weights.get(name) === weight) this.#weights.delete(name); // the next acquire reads again
      },
    );
    return weight;
  }

  #assertOpen(): void {
    if (this.#isDisposed) throw new UsageError("The model is disposed.");
  }
}

import { ShapeError, UsageError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";

/**
 * How long weights stay in memory. `resident`: from first use until the model is disposed. `streamed`: only
 * while something uses them; they are read again next time.
 */
export type WeightResidency = "resident" | "streamed";

interface CachedWeight {
  /** Settles when the weight is in memory. */
  readonly loading: Promise<tf.Tensor>;
  tensor?: tf.Tensor;
  users: number;
}

/** Float32 weights in memory, by name, loaded on demand. */
export class WeightCache {
  readonly #weights = new Map<string, CachedWeight>();
  #isDisposed = false;

  constructor(
    private readonly load: (name: string) => Promise<tf.Tensor>,
    private readonly residency: WeightResidency,
  ) {}

  has(name: string): boolean {
    return this.#weights.has(name);
  }

  /** Loads weights that are not in memory and holds them until they are released as often. On failure holds none. */
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

  release(names: readonly string[]): void {
    for (const name of names) {
      const weight = this.#weights.get(name);
      if (weight) this.#letGo(name, weight);
    }
  }

  get(name: string): tf.Tensor | undefined {
    return this.#weights.get(name)?.tensor;
  }

  /** Replaces a weight and owns the new tensor. */
  set(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
    this.#assertOpen();
    if (tensor.dtype !== "float32" || tensor.shape.join() !== shape.join()) {
      throw new ShapeError(
        `Weight "${name}" must be float32 of shape [${shape.join(", ")}], got ${tensor.dtype} [${tensor.shape.join(", ")}].`,
      );
    }
    const before = this.#weights.get(name);
    if (before?.tensor !== tensor) before?.tensor?.dispose();
    this.#weights.set(name, { loading: Promise.resolve(tensor), tensor, users: before?.users ?? 0 });
  }

  /** Frees the weights that are wanted no more. */
  keepOnly(isWanted: (name: string) => boolean): void {
    for (const [name, { tensor }] of this.#weights) {
      if (isWanted(name)) continue;
      this.#weights.delete(name);
      tensor?.dispose();
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const { tensor } of this.#weights.values()) tensor?.dispose();
    this.#weights.clear();
  }

  #letGo(name: string, weight: CachedWeight): void {
    weight.users--;
    if (this.residency === "resident" || weight.users > 0 || this.#weights.get(name) !== weight) return;
    weight.tensor?.dispose();
    this.#weights.delete(name);
  }

  #entry(name: string): CachedWeight {
    const known = this.#weights.get(name);
    if (known) return known;
    const loading = this.load(name);
    const weight: CachedWeight = { loading, users: 0 };
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

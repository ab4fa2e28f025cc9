import { filledTensor, type tf } from "@sdmprune/tensor";

/** Room outside of memory for values that are wanted back later, such as a file. */
export interface ActivationSpill {
  /** Puts values away. @returns Where they are, for `read`. */
  write(values: Float32Array): Promise<number>;
  /** Reads as many values back as `out` takes. */
  read(place: number, out: Float32Array): Promise<void>;
  /** Says that nothing that was written is wanted any more. */
  clear(): void;
}

export interface ActivationStoreOptions {
  /** Bytes to hold in memory; the rest goes to `spill`, if there is one. Default: no limit. */
  readonly maxBytes?: number | undefined;
  readonly spill?: ActivationSpill | undefined;
}

/** A tensor in an {@link ActivationStore}. */
export type KeptActivation =
  | { readonly tensor: tf.Tensor2D; readonly place?: undefined }
  | { readonly tensor?: undefined; readonly place: number; readonly shape: [number, number] };

/**
 * Activations between a pass forward and the pass backward that wants them: in memory up to a limit, beyond it in a
 * spill. They come back bit for bit.
 */
export class ActivationStore {
  readonly #held = new Set<tf.Tensor2D>();
  #bytes = 0;
  #scratch = new Float32Array(0);

  constructor(private readonly options: ActivationStoreOptions = {}) {}

  /** Takes a tensor over. On failure it is freed. */
  async keep(tensor: tf.Tensor2D): Promise<KeptActivation> {
    const { maxBytes = Infinity, spill } = this.options;
    const bytes = tensor.size * 4;
    if (!spill || this.#bytes + bytes <= maxBytes) {
      this.#held.add(tensor);
      this.#bytes += bytes;
      return { tensor };
    }
    try {
      return { place: await spill.write((await tensor.data()) as Float32Array), shape: tensor.shape };
    } finally {
      tensor.dispose();
    }
  }

  /** Gives a tensor back, once. The caller disposes it. */
  async take(kept: KeptActivation): Promise<tf.Tensor2D> {
    if (kept.tensor) {
      this.#held.delete(kept.tensor);
      this.#bytes -= kept.tensor.size * 4;
      return kept.tensor;
    }
    const { place, shape } = kept;
    const size = shape[0] * shape[1];
    if (this.#scratch.length !== size) this.#scratch = new Float32Array(size);
    await this.options.spill!.read(place, this.#scratch);
    return filledTensor(shape, (values) => values.set(this.#scratch)) as tf.Tensor2D;
  }

  /** Frees what was not taken. */
  dispose(): void {
    for (const tensor of this.#held) tensor.dispose();
    this.#held.clear();
    this.options.spill?.clear();
  }
}

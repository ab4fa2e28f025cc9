import { tf } from "@sdmprune/tensor";

/**
 * Tensors that are to be freed when a piece of work ends, well or badly. Unlike `tf.tidy` it also serves
 * asynchronous work, and leaves alone what others make meanwhile, such as an observer's results.
 */
export class TensorScope {
  readonly #tensors = new Set<tf.Tensor>();

  /** Takes charge of a tensor. */
  own<T extends tf.Tensor>(tensor: T): T {
    this.#tensors.add(tensor);
    return tensor;
  }

  /** Takes charge of all tensors of an object. */
  ownAll<T extends object>(tensors: T): T {
    for (const tensor of Object.values(tensors)) if (tensor instanceof tf.Tensor) this.own(tensor);
    return tensors;
  }

  /** Frees tensors that are not needed any more. */
  free(...tensors: tf.Tensor[]): void {
    for (const tensor of tensors) if (this.#tensors.delete(tensor)) tensor.dispose();
  }

  /** Hands a tensor over to somebody else. */
  handOver<T extends tf.Tensor>(tensor: T): T {
    this.#tensors.delete(tensor);
    return tensor;
  }

  /** Frees what is left. */
  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose();
    this.#tensors.clear();
  }
}

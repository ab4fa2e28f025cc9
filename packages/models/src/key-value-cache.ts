import { ShapeError } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";

interface KeysAndValues {
  /** Shape `[B, S, heads, D]`. */
  readonly k: tf.Tensor4D;
  /** Shape `[B, S, heads, D]`. */
  readonly v: tf.Tensor4D;
}

/** Keys and values of the tokens a model has seen, per layer, so that generation runs each token once. */
export class KeyValueCache {
  readonly #layers: (KeysAndValues | undefined)[];

  constructor(numLayers: number) {
    this.#layers = new Array<KeysAndValues | undefined>(numLayers).fill(undefined);
  }

  /** Tokens that every layer has seen. */
  get length(): number {
    return this.#layers.at(-1)?.k.shape[1] ?? 0;
  }

  /**
   * Appends the keys and values of `T` tokens to a layer's `S` and takes copies, so that the arguments stay the
   * caller's.
   *
   * @param k - Rotated keys; shape `[B, T, heads, D]`.
   * @param v - Shape `[B, T, heads, D]`.
   * @returns Those of all `S + T` tokens. They belong to the cache and are valid until the next call for the layer.
   * @throws {ShapeError} If the layer is at another token than the cache, because a pass was broken off.
   */
  append(layer: number, k: tf.Tensor4D, v: tf.Tensor4D): KeysAndValues {
    const before = this.#layers[layer];
    const isBehind =
      layer > 0 && (this.#layers[layer - 1]?.k.shape[1] ?? 0) !== (before?.k.shape[1] ?? 0) + k.shape[1];
    if (isBehind) {
      throw new ShapeError(
        `KeyValueCache: layer ${layer} is out of step with layer ${layer - 1}. Start with a new cache.`,
      );
    }
    const join = (old: tf.Tensor4D | undefined, added: tf.Tensor4D): tf.Tensor4D =>
      tf.keep(old ? tf.concat([old, added], 1) : tf.clone(added));
    const joined = { k: join(before?.k, k), v: join(before?.v, v) };
    tf.dispose([before?.k, before?.v].filter((t) => t !== undefined));
    this.#layers[layer] = joined;
    return joined;
  }

  dispose(): void {
    for (const layer of this.#layers.splice(0)) {
      layer?.k.dispose();
      layer?.v.dispose();
    }
  }
}

import type { AttentionSegment, tf } from "@sdmprune/tensor";
import type { KeyValueCache } from "./key-value-cache.js";

/**
 * Factor of every MLP neuron's gate and up projection, per layer; shape `[F]`, float32. `undefined` leaves a layer as it
 * is. An observer's `neuronMask` sees the gradients.
 */
export type NeuronMasks = readonly (tf.Tensor1D | undefined)[];

/** What all blocks share in one pass over a batch of sequences: its shape, positions, masks and cache. */
export interface SequenceContext {
  /** Number of sequences. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly length: number;
  readonly attentionBias?: tf.Tensor4D | undefined;
  readonly cache?: KeyValueCache | undefined;
  readonly segments?: readonly AttentionSegment[] | undefined;
  readonly dropoutSeed?: number | undefined;
  readonly neuronMasks?: NeuronMasks | undefined;
  /** Frees the tables it made. The attention bias, the cache and the masks stay. */
  dispose(): void;
}

export interface SequenceOptions {
  /**
   * Keys and values of the tokens before these. The pass appends its own. Forward passes only.
   */
  readonly cache?: KeyValueCache;
  /**
   * The one sequence of the batch is a pack of these, which see no others but those they continue. Without a cache or an
   * attention bias.
   */
  readonly segments?: readonly AttentionSegment[] | undefined;
  /**
   * Position of every token: `length` of them, or `batch * length` where sequences differ. Default: rising
   * from 0, or from the length of the cache; those of segments rise from the end of what they continue.
   */
  readonly positions?: ArrayLike<number> | undefined;
  /**
   * Added to the attention scores besides the causal mask, for padding or packed documents; broadcast to
   * `[batch, heads, length, keys]`. The caller keeps it alive and disposes it.
   */
  readonly attentionBias?: tf.Tensor4D;
  /**
   * Adapters with dropout drop parts of their inputs, chosen by this seed: the same ones each time that a pass with the seed
   * asks, forward and backward. Default: nothing is dropped.
   */
  readonly dropoutSeed?: number | undefined;
  /** Masks of the MLP neurons. The caller keeps them alive and disposes them. */
  readonly neuronMasks?: NeuronMasks | undefined;
}

/**
 * The tensor slices that leave a checkpoint together when a neuron of one MLP is removed: neuron `j` is slice
 * `j` along `axis` of every member.
 */
export interface PrunableGroup {
  readonly layer: number;
  /** Number of neurons. */
  readonly intermediateSize: number;
  readonly members: readonly PrunableMember[];
  /** The key of config.json that holds the width. */
  readonly configKey: string;
}

export interface PrunableMember {
  /** Name in the checkpoint. */
  readonly tensor: string;
  /** Axis along which the tensor has one slice per neuron. */
  readonly axis: 0 | 1;
}

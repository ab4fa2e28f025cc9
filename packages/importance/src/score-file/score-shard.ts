import type { JsonObject } from "@sdmprune/model-io";

/** A part of the calibration windows: the `index`-th of `count` runs of neighbouring windows, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** What a shard file says of itself. */
export interface ShardInfo extends Shard {
  /** Windows that were scored. */
  readonly nsamples: number;
  readonly numTokens: number;
  /** The manifest of the score file that all shards make together: the same in each. */
  readonly manifest: Readonly<JsonObject>;
}

/** Key of the file's metadata that holds {@link ShardInfo} as JSON, with keys in snake_case. */
export const SHARD_KEY = "sdmprune_score_shard";

/**
 * Where a shard begins and ends among the windows. The parts of all shards are as equal as can be, and in order.
 *
 * @returns `[start, end)`.
 */
export function shardRange({ index, count }: Shard, nsamples: number): [start: number, end: number] {
  return [Math.floor(((index - 1) * nsamples) / count), Math.floor((index * nsamples) / count)];
}

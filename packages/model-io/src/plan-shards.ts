import { UsageError } from "@sdmprune/core";
import { tensorByteLength } from "./dtype.js";
import type { TensorSpec } from "./layout-safetensors.js";

/** How a checkpoint's tensors are spread over files. */
export interface ShardPlan<T extends TensorSpec> {
  readonly files: readonly { readonly name: string; readonly tensors: readonly T[] }[];
  /** `model.safetensors.index.json`; undefined when one file holds everything. */
  readonly index: string | undefined;
}

/** 5 GB, the classic limit of `save_pretrained`. */
export const DEFAULT_MAX_SHARD_BYTES = 5_000_000_000;

/**
 * Spreads tensors over `model.safetensors`, or over `model-00001-of-0000N.safetensors` and so on when they
 * are more than `maxShardBytes`: in the order given, a new file whenever the next tensor does not fit.
 * A tensor is never split, so one that is larger than the limit gets a file of its own.
 */
export function planShards<T extends TensorSpec>(
  tensors: readonly T[],
  maxShardBytes = DEFAULT_MAX_SHARD_BYTES,
): ShardPlan<T> {
  if (!(maxShardBytes >= 1)) {
    throw new UsageError(`maxShardBytes: expected at least 1, got ${maxShardBytes}.`);
  }
  const shards: T[][] = [[]];
  let shardBytes = 0;
  let totalBytes = 0;
  for (const tensor of tensors) {
    const bytes = tensorByteLength(tensor.dtype, tensor.shape, `tensor "${tensor.name}"`);
    if (shardBytes + bytes > maxShardBytes && shards.at(-1)!.length > 0) {
      shards.push([]);
      shardBytes = 0;
    }
    shards.at(-1)!.push(tensor);
    shardBytes += bytes;
    totalBytes += bytes;
  }
  if (shards.length === 1) return { files: [{ name: "model.safetensors", tensors }], index: undefined };
  const count = String(shards.length).padStart(5, "0");
  const files = shards.map((shard, i) => ({
    name: `model-${String(i + 1).padStart(5, "0")}-of-${count}.safetensors`,
    tensors: shard,
  }));
  const weightMap = files
    .flatMap(({ name, tensors }) => tensors.map((tensor): [string, string] => [tensor.name, name]))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(weightMap) };
  return { files, index: `${JSON.stringify(index, null, 2)}\n` };
}

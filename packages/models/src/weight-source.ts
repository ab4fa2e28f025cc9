import type { DType } from "@sdmprune/model-io";

/**
 * Where a model's weights come from: any named tensors of a Hugging Face checkpoint. The checkpoint and the
 * safetensors file of @sdmprune/model-io fit it; so does a map in memory.
 */
export interface WeightSource {
  /** Names of all tensors. */
  tensorNames(): Iterable<string>;
  /** Type and shape of a tensor. */
  info(name: string): WeightInfo;
  /** Row-major little-endian bytes of a tensor. */
  read(name: string, options?: WeightReadOptions): Promise<Uint8Array>;
}

export interface WeightReadOptions {
  /** Only rows `[start, end)` of the first axis. */
  readonly rows?: readonly [start: number, end: number] | undefined;
  /** As many bytes of the caller's, which the source may write to and return, to spare an array. */
  readonly into?: Uint8Array | undefined;
}

export interface WeightInfo {
  /** Type in safetensors' spelling: `F32`, `F16`, `BF16`, `F64`, … */
  readonly dtype: DType;
  readonly shape: readonly number[];
}

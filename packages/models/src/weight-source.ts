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
  /**
   * Row-major little-endian bytes of a tensor.
   *
   * @param options - `rows`: only rows `[start, end)` of the first axis.
   */
  read(
    name: string,
    options?: { readonly rows?: readonly [start: number, end: number] },
  ): Promise<Uint8Array>;
}

export interface WeightInfo {
  /** Type in safetensors' spelling: `F32`, `F16`, `BF16`, `F64`, … */
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One decoder layer and the number of tokens to run it on; the same as in `peers/peer.py`. */
export interface Shape {
  readonly name: string;
  readonly tokens: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export const SHAPES: readonly Shape[] = [
  {
    name: "smollm2-135m",
    tokens: 1024,
    hidden: 576,
    intermediate: 1536,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
  },
  {
    name: "llama-3.2-1b",
    tokens: 512,
    hidden: 2048,
    intermediate: 8192,
    heads: 32,
    kvHeads: 8,
    headDim: 64,
  },
];

/** Rows, inputs and outputs of the products; the same as in `peers/gemm.py`. */
export const GEMM_SIZES: readonly (readonly [rows: number, inputs: number, outputs: number])[] = [
  [512, 2048, 8192],
  [1024, 576, 1536],
];

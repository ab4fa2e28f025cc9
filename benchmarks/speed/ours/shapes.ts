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

/** A whole model, and how many samples to run it on; the same as in `peers/peer.py`. */
export interface ModelShape extends Shape {
  readonly layers: number;
  readonly vocab: number;
  readonly samples: number;
  /** One repetition takes minutes, and all the memory there is. */
  readonly isLong?: boolean;
}

export const MODEL_SHAPES: readonly ModelShape[] = [
  {
    name: "demo",
    tokens: 256,
    hidden: 128,
    intermediate: 640,
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    layers: 4,
    vocab: 1024,
    samples: 16,
  },
  { ...SHAPES[0]!, layers: 30, vocab: 49152, samples: 1 },
  { ...SHAPES[1]!, tokens: 1024, layers: 16, vocab: 128256, samples: 2, isLong: true },
];

/** Rows, inputs and outputs of the products; the same as in `peers/gemm.py`. */
export const GEMM_SIZES: readonly (readonly [rows: number, inputs: number, outputs: number])[] = [
  [512, 2048, 8192],
  [1024, 576, 1536],
];

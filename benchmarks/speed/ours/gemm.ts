import { linear, tf } from "@sdmprune/tensor";
import { linearWeight, randomMatrix } from "./random-matrix.js";
import type { Case } from "./take-turns.js";

/** `y = x W^T` through the tensor package: x `[N, I]`, W `[O, I]`. */
export function gemmCase([N, I, O]: readonly [number, number, number]): Case {
  return {
    name: `gemm/${N}x${I}x${O}`,
    what: `[${N}, ${I}] by [${O}, ${I}] transposed`,
    flops: 2 * N * I * O,
    setUp() {
      const x = randomMatrix("x", N, I);
      const weight = linearWeight("weight", O, I);
      return {
        run: () => linear(x, weight).dispose(),
        dispose: () => tf.dispose([x, weight]),
      };
    },
  };
}

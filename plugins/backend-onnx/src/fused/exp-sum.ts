import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { newRows, rowsOf, runByRows, tileProgram } from "../runtime/row-tiles.js";

/** Largest logit of each row and the sum of the exponentials, in float64 as two float32. */
export const expSumKernel = nativeKernel<{ logits: TensorInfo }, Record<string, never>>(
  "SdmExpSum",
  "graph",
  ({ inputs: { logits }, backend }) => {
    const [N, C] = logits.shape as [number, number];
    const p = tileProgram("SdmExpSum", (g) => {
      const z = g.input("float32");
      const max = g.op("ReduceMax", [z, g.integers(1)], { keepdims: 1 });
      const e = g.cast(g.op("Exp", [g.op("Sub", [z, max])]), "float64");
      const exact = g.op("ReduceSum", [e, g.integers(1)], { keepdims: 1 });
      const sum = g.cast(exact, "float32");
      g.output(max, "float32");
      g.output(sum, "float32");
      g.output(g.cast(g.op("Sub", [exact, g.cast(sum, "float64")]), "float32"), "float32");
    });
    const results = [0, 1, 2].map(() => newRows(backend, [N], [1]));
    runByRows(p, N, [rowsOf(backend, logits, [C])], [], results);
    return results.map(({ tensor }) => tensor);
  },
);

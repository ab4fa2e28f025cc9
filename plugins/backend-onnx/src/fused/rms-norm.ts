import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program } from "../runtime/program.js";

import { newRows, rowsOf, runByRows, scalar, tileProgram } from "../runtime/row-tiles.js";

/** `y = x / rms(x) * weight`; see `FusedKernels` of @sdmprune/tensor, as for all kernels in this folder. */
export const rmsNormKernel = nativeKernel<{ x: TensorInfo; weight: TensorInfo }, { eps: number }>(
  "SdmRmsNorm",
  "graph",
  ({ inputs: { x, weight }, attrs: { eps }, backend }) => {
    const [N, H] = x.shape as [number, number];
    const p = program(`SdmRmsNorm ${eps}`, (g) => {
      const [input, scale] = [g.input("float32"), g.input("float32")];
      g.output(g.op("SimplifiedLayerNormalization", [input, scale], { epsilon: { float: eps } }), "float32");
    });
    return backend.run1(p, [backend.view(x, [N, H]), backend.view(weight)], {
      shape: x.shape,
      dtype: "float32",
    });
  },
);

/** `dx = r (s - x r^2 mean(s x))` with `s = dy weight` and `r = 1 / rms(x)`. */
export const rmsNormBackwardKernel = nativeKernel<
  { x: TensorInfo; weight: TensorInfo; dy: TensorInfo },
  { eps: number }
>("SdmRmsNormBackward", "graph", ({ inputs: { x, weight, dy }, attrs: { eps }, backend }) => {
  const [N, H] = x.shape as [number, number];
  const p = tileProgram("SdmRmsNormBackward", (g) => {
    const input = g.input("float32");
    const gradient = g.input("float32");
    const s = g.op("Mul", [gradient, g.input("float32")]);
    const inverseWidth = g.input("float32");
    const r = inverseRms(g, input, inverseWidth, g.input("float32")); // [N, 1]
    const sum = g.op("ReduceSum", [g.op("Mul", [s, input]), g.integers(1)], { keepdims: 1 });
    const mean = g.op("Mul", [sum, inverseWidth]);
    const projection = g.op("Mul", [mean, g.op("Mul", [r, r])]);
    const rest = g.op("Sub", [s, g.op("Mul", [input, projection])]);
    g.output(g.op("Mul", [r, rest]), "float32");
  });
  const dx = newRows(backend, x.shape, [H]);
  const inputs = [rowsOf(backend, x, [H]), rowsOf(backend, dy, [H])];
  runByRows(p, N, inputs, [backend.view(weight), scalar(1 / H), scalar(eps)], [dx]);
  return dx.tensor;
});

/** `1 / sqrt(sum(x^2) * inverseWidth + eps)`; `[N, 1]`. */
function inverseRms(g: GraphBuilder, x: GraphValue, inverseWidth: GraphValue, eps: GraphValue): GraphValue {
  const sum = g.op("ReduceSumSquare", [x, g.integers(1)], { keepdims: 1 });
  const meanSquare = g.op("Mul", [sum, inverseWidth]);
  return g.op("Reciprocal", [g.op("Sqrt", [g.op("Add", [meanSquare, eps])])]);
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import type { OnnxBackend } from "../onnx-backend.js";

import { integers } from "../kernels/reduction.js";
import { newRows, type RowValues, rowsOf, runByRows, tileProgram } from "../runtime/row-tiles.js";

/** Rotates the pairs `(x_i, x_{i + R/2})` of every head; the rest of a head passes through. */
export const rotaryKernel = nativeKernel<
  { x: TensorInfo; cos: TensorInfo; sin: TensorInfo },
  { inverse: boolean }
>("SdmRotary", "graph", ({ inputs: { x, cos, sin }, attrs: { inverse }, backend }) => {
  const [B, T, heads, D] = x.shape as [number, number, number, number];
  const half = cos.shape.at(-1)!;
  const isPartial = 2 * half < D;
  const p = tileProgram(`SdmRotary${inverse ? " inverse" : ""}${isPartial ? " partial" : ""}`, (g) => {
    const input = g.input("float32"); // [rows, heads, D]
    const c = g.input("float32"); // [rows, 1, R/2]
    const s = g.input("float32");
    const zero = g.integers(0);
    const [middle, end] = [g.input("int64"), g.input("int64")];
    const last = g.integers(2); // the axis
    const first = g.op("Slice", [input, zero, middle, last]);
    const second = g.op("Slice", [input, middle, end, last]);
    const product = (a: string, b: string) => g.op("Mul", [a, b]);
    const parts = [
      g.op(inverse ? "Add" : "Sub", [product(first, c), product(second, s)]),
      g.op(inverse ? "Sub" : "Add", [product(second, c), product(first, s)]),
    ];
    if (isPartial) parts.push(g.op("Slice", [input, end, g.integers(Number.MAX_SAFE_INTEGER), last]));
    g.output(g.op("Concat", parts, { axis: 2 }), "float32");
  });
  const y = newRows(backend, x.shape, [heads, D]);
  const inputs = [rowsOf(backend, x, [heads, D]), table(backend, cos, B), table(backend, sin, B)];
  runByRows(p, B * T, inputs, [integers([half]), integers([2 * half])], [y]);
  return y.tensor;
});

/** `[T, R/2]` repeated for every batch row, or `[B, T, R/2]`, as rows of `[1, R/2]`. */
function table(backend: OnnxBackend, tensor: TensorInfo, batch: number): RowValues {
  const row = [1, tensor.shape.at(-1)!];
  const values = backend.values(tensor);
  if (tensor.shape.length === 3 || batch === 1) return { data: values, row };
  const repeated = new Float32Array(values.length * batch);
  for (let b = 0; b < batch; b++) repeated.set(values, b * values.length);
  return { data: repeated, row };
}

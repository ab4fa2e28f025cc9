import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import { program, type TensorView } from "../runtime/program.js";

/** Rotates the pairs `(x_i, x_{i + R/2})` of every head; the rest of a head passes through. */
export const rotaryKernel = nativeKernel<
  { x: TensorInfo; cos: TensorInfo; sin: TensorInfo },
  { inverse: boolean }
>("SdmRotary", "graph", ({ inputs: { x, cos, sin }, attrs: { inverse }, backend }) => {
  const [B, T, heads, D] = x.shape as [number, number, number, number];
  const half = cos.shape.at(-1)!;
  const part: Record<string, number> = 2 * half < D ? { rotary_embedding_dim: 2 * half } : {};
  const p = program(`SdmRotary ${heads} of ${D}, ${2 * half}${inverse ? " inverse" : ""}`, (g) => {
    const [input, firstRow, c, s] = [
      g.input("float32"),
      g.input("int64"),
      g.input("float32"),
      g.input("float32"),
    ];
    const angles = inverse ? g.op("Neg", [s]) : s;
    const attributes = { num_heads: heads, ...part };
    g.output(g.op("RotaryEmbedding", [input, firstRow, c, angles], attributes, "com.microsoft"), "float32");
  });
  // Rows of the tables follow each other as the tokens do: those of one sequence, or of all of them in turn.
  const hasOwnRows = cos.shape.length === 3 && cos.shape[0] === B;
  const [batch, length] = hasOwnRows ? [1, B * T] : [B, T];
  const dims = [batch, length, heads * D];
  const table = (tensor: TensorInfo): TensorView => backend.view(tensor, [length, half]);
  return backend.run1(p, [backend.view(x, dims), integers([0]), table(cos), table(sin)], {
    shape: x.shape,
    dtype: "float32",
    dims,
  });
});

import { backend_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { OnnxBackend } from "../onnx-backend.js";
import { program, type TensorView } from "../runtime/program.js";
import { add, prelu } from "./binary.js";
import { nativeKernel, type NativeKernel } from "./native-kernel.js";
import { integers } from "./reduction.js";
import { activate } from "./unary.js";

const EXCEPT = "dtypes other than float32";

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

interface FusedMatMulAttrs extends MatMulAttrs {
  activation?: string;
  leakyreluAlpha?: number;
}

/** Matrix products. */
export const matMulKernels: readonly NativeKernel[] = [
  nativeKernel<TensorInfo[], { equation: string }>(
    "Einsum",
    "graph",
    ({ inputs, attrs, backend }) => einsum(backend, inputs, attrs.equation),
    EXCEPT,
  ),
  nativeKernel<{ a: TensorInfo; b: TensorInfo }, MatMulAttrs>(
    "BatchMatMul",
    "graph",
    ({ inputs: { a, b }, attrs, backend }) => matMul(backend, a, b, attrs),
    EXCEPT,
  ),
  nativeKernel<
    { a: TensorInfo; b: TensorInfo; bias?: TensorInfo; preluActivationWeights?: TensorInfo },
    FusedMatMulAttrs
  >(
    "_FusedMatMul",
    "graph",
    ({ inputs: { a, b, bias, preluActivationWeights: weights }, attrs, backend }) => {
      if (bias && bias.dtype !== "float32") return undefined;
      let result = matMul(backend, a, b, attrs);
      const replace = (next: TensorInfo | undefined) => {
        if (result) backend.disposeIntermediateTensorInfo(result);
        result = next;
      };
      if (result && bias) replace(add(backend, result, bias));
      if (result && attrs.activation && attrs.activation !== "linear") {
        if (attrs.activation !== "prelu")
          replace(activate(backend, attrs.activation, result, attrs.leakyreluAlpha));
        else if (weights) replace(prelu(backend, result, weights));
      }
      return result; // undefined for an activation that nobody knows: the CPU kernel says so
    },
    EXCEPT,
  ),
];

/** ONNX Runtime has the same equations, without ellipses as tfjs has them not. */
function einsum(
  backend: OnnxBackend,
  inputs: readonly TensorInfo[],
  equation: string,
): TensorInfo | undefined {
  const [left = "", result, more] = equation.replaceAll(" ", "").split("->");
  const terms = left.split(",");
  const sizes = new Map<string, number>();
  const fits = terms.every((term, i) => {
    const shape = inputs[i]?.shape ?? [];
    const letters = new Set(term);
    return (
      letters.size === shape.length && // a letter twice in one term is tfjs's to refuse
      [...term].every((letter, axis) => {
        const known = sizes.get(letter);
        sizes.set(letter, shape[axis]!);
        return known === undefined || known === shape[axis];
      })
    );
  });
  if (!fits || result === undefined || more !== undefined) return undefined;
  if (terms.length !== inputs.length || terms.length > 2) return undefined; // tfjs stops at two
  const shape = [...result].map((letter) => sizes.get(letter) ?? 0);
  const isEmpty = [...sizes.values(), ...shape].includes(0);
  if (isEmpty || inputs.some(({ dtype }) => dtype !== "float32")) return undefined;
  const p = program(
    `Einsum ${terms.join()}->${result}`,
    (g) => {
      const values = terms.map(() => g.input("float32"));
      g.output(g.op("Einsum", values, { equation: `${terms.join()}->${result}` }), "float32");
    },
    { computeBound: true },
  );
  const views = inputs.map((t) => backend.view(t));
  return backend.run1(p, views, { shape, dtype: "float32" });
}

/**
 * `a x b` over the last two axes, either transposed there; leading axes broadcast.
 *
 * ONNX Runtime takes another path for products of one row, with other rounding. So one row is computed as two equal
 * ones: a token's numbers must not depend on how many tokens are computed with it.
 */
export function matMul(
  backend: OnnxBackend,
  a: TensorInfo,
  b: TensorInfo,
  { transposeA, transposeB }: MatMulAttrs,
): TensorInfo | undefined {
  if (a.dtype !== "float32" || b.dtype !== "float32" || a.shape.length < 2 || b.shape.length < 2)
    return undefined;
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [M, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const N = transposeB ? bRows : bColumns;
  if (K !== (transposeB ? bColumns : bRows)) return undefined; // the CPU kernel says what is wrong
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, M, N];
  if (util.sizeFromShape(shape) === 0 || K === 0) return undefined;

  // One matrix b for every row of a, whatever the axes in front: a single product.
  const isPlain = util.sizeFromShape(b.shape.slice(0, -2)) === 1 && (M === 1 || !transposeA || isMatrix(a));
  if (isPlain) {
    const rows = util.sizeFromShape(shape) / N;
    const transposed = transposeA && M > 1;
    const left = rows === 1 ? twice(backend.values(a), K) : backend.values(a);
    const used = Math.max(rows, 2);
    const inputs = [
      { data: left, dims: transposed ? [K, rows] : [used, K] },
      backend.view(b, [bRows, bColumns]),
    ];
    if (transposed && rows > 2 * TILE_ROWS)
      return byRowTiles(backend, a, inputs[1]!, { shape, rows, K, transposeB });
    const p = product(transposed, transposeB);
    return rows === 1
      ? firstRows(backend, p, inputs, shape, [2, N])
      : backend.run1(p, inputs, { shape, dtype: "float32", dims: [rows, N] });
  }
  if (M > 1)
    return backend.run1(product(transposeA, transposeB), [backend.view(a), backend.view(b)], {
      shape,
      dtype: "float32",
    });
  const doubled = { data: twice(backend.values(a), K), dims: [...a.shape.slice(0, -2), 2, K] };
  return firstRows(backend, product(false, transposeB), [doubled, backend.view(b)], shape, [...batch, 2, N]);
}

function product(transposeA: boolean, transposeB: boolean) {
  const name = `MatMul${transposeA ? " transposeA" : ""}${transposeB ? " transposeB" : ""}`;
  return program(
    name,
    (g) => g.output(g.matMul(g.input("float32"), g.input("float32"), { transposeA, transposeB }), "float32"),
    { computeBound: true },
  );
}

/**
 * Rows of the result computed at a time where `a` is transposed. The gradient of a weight has few terms per element and
 * a large result, whose columns leave the cache before ONNX Runtime comes back to them with the next terms. Of 512
 * terms and 8192 x 2048 elements, tiles take 0.8 of the time of the whole; up to twice this many rows they save nothing.
 */
const TILE_ROWS = 1024;

/** `a^T x b` for matrices, tile of rows by tile; with the same bits as at once. */
function byRowTiles(
  backend: OnnxBackend,
  a: TensorInfo,
  b: TensorView,
  { shape, rows, K, transposeB }: { shape: number[]; rows: number; K: number; transposeB: boolean },
): TensorInfo {
  const p = program(
    `MatMul tile${transposeB ? " transposeB" : ""}`,
    (g) => {
      const [whole, right] = [g.input("float32"), g.input("float32")];
      const columns = g.op("Slice", [whole, g.input("int64"), g.input("int64"), g.integers(1)]);
      g.output(g.matMul(columns, right, { transposeA: true, transposeB }), "float32");
    },
    { computeBound: true, keepScratch: true },
  );
  const { tensor, values } = backend.allocate(shape, "float32");
  const left = backend.view(a, [K, rows]);
  const N = shape.at(-1)!;
  const numTiles = Math.ceil(rows / TILE_ROWS);
  for (let tile = 0; tile < numTiles; tile++) {
    const [start, end] = [tile, tile + 1].map((i) => Math.floor((rows * i) / numTiles)) as [number, number];
    p.run(
      [left, b, integers([start]), integers([end])],
      [{ data: values.subarray(start * N, end * N), dims: [end - start, N] }],
    );
  }
  return tensor;
}

function isMatrix({ shape }: TensorInfo): boolean {
  return util.sizeFromShape(shape.slice(0, -2)) === 1;
}

/** Every row of `width` two times. */
function twice(
  values: ArrayLike<number> & { subarray(from: number, to: number): Float32Array | Int32Array | Uint8Array },
  width: number,
): Float32Array {
  const result = new Float32Array(values.length * 2);
  for (let i = 0; i < values.length; i += width) {
    const row = values.subarray(i, i + width);
    result.set(row, i * 2);
    result.set(row, i * 2 + width);
  }
  return result;
}

/** Runs a product with two rows where one is wanted, and keeps that. */
function firstRows(
  backend: OnnxBackend,
  p: ReturnType<typeof program>,
  inputs: Parameters<OnnxBackend["run1"]>[1],
  shape: readonly number[],
  dims: readonly number[],
): TensorInfo {
  const N = shape.at(-1)!;
  const both = new Float32Array(util.sizeFromShape([...dims]));
  p.run(inputs, [{ data: both, dims }]);
  const { tensor, values } = backend.allocate(shape, "float32");
  for (let i = 0; i < values.length; i += N) values.set(both.subarray(i * 2, i * 2 + N), i);
  return tensor;
}

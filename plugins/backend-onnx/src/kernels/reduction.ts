import { backend_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { NativeDType, OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program, type TensorView } from "../runtime/program.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { select } from "./unary.js";

interface ReductionAttrs {
  axis?: number | number[];
  /** What Max and Min call it. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

type Formula = (g: GraphBuilder, x: GraphValue, axes: GraphValue) => GraphValue;

/** Sums and the like along axes. */
export const reductionKernels: readonly NativeKernel[] = [
  reduction("Sum", onnx("ReduceSum"), ["float32"]),
  reduction("Mean", onnx("ReduceMean"), ["float32"]),
  reduction("Prod", onnx("ReduceProd"), ["float32"]),
  reduction("Max", extremum("ReduceMax"), ["float32", "int32"]),
  reduction("Min", extremum("ReduceMin"), ["float32", "int32"]),
  reduction("All", bytewise("ReduceMin"), ["bool"]),
  reduction("Any", bytewise("ReduceMax"), ["bool"]),
  argument("ArgMax", -Infinity),
  argument("ArgMin", Infinity),
  nativeKernel<{ logits: TensorInfo }, { dim: number }>(
    "Softmax",
    "graph",
    ({ inputs: { logits }, attrs: { dim }, backend }) => {
      const rank = logits.shape.length;
      const size = util.sizeFromShape(logits.shape);
      if (logits.dtype !== "float32" || size === 0 || (dim !== -1 && dim !== rank - 1)) return undefined;
      const p = program("Softmax", (g) =>
        g.output(g.op("Softmax", [g.input("float32")], { axis: -1 }), "float32"),
      );
      const width = logits.shape.at(-1) ?? 1;
      const dims = [size / width, width];
      return backend.run1(p, [backend.view(logits, dims)], { shape: logits.shape, dtype: "float32", dims });
    },
    "dtypes other than float32",
  ),
];

function reduction(
  kernelName: string,
  formula: (dtype: NativeDType) => Formula,
  dtypes: readonly NativeDType[],
): NativeKernel {
  return nativeKernel<{ x: TensorInfo }, ReductionAttrs>(
    kernelName,
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      const dtype = dtypes.find((d) => d === x.dtype);
      const size = util.sizeFromShape(x.shape);
      if (dtype === undefined || size === 0 || (dtype !== "float32" && isSmall(size))) return undefined;
      const axes = util.parseAxisParam((attrs.axis ?? attrs.reductionIndices)!, x.shape);
      if (axes.length === 0) return undefined;
      const p = program(`${kernelName} ${dtype}`, (g) => {
        const value = g.input(dtype);
        g.output(formula(dtype)(g, value, g.input("int64")), dtype);
      });
      const dims = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
      const width = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
      const isTrailing = axes.every((axis, i) => axis === x.shape.length - axes.length + i);
      const shape = attrs.keepDims ? dims : backend_util.computeOutAndReduceShapes(x.shape, axes)[0];
      if (isTrailing && width >= LONG_SUM && (kernelName === "Sum" || kernelName === "Mean")) {
        return longSum(backend, x, width, shape, kernelName === "Mean" ? 1 / width : 1);
      }
      return backend.run1(p, [backend.view(x), integers(axes)], { shape, dtype, dims });
    },
    `dtypes other than ${dtypes.join(", ")}`,
  );
}

/** From this length on, sums go by pieces: in float32, one over four million numbers is right to five digits only. */
const LONG_SUM = 1 << 16;
const PIECE = 1 << 12;

/** Sums rows of `width`: pieces in float32, the pieces' sums in float64. */
function longSum(
  backend: OnnxBackend,
  x: TensorInfo,
  width: number,
  shape: readonly number[],
  factor: number,
): TensorInfo {
  const p = program("Sum float32", (g) => {
    g.output(onnx("ReduceSum")()(g, g.input("float32"), g.input("int64")), "float32");
  });
  const source = backend.values(x);
  const { tensor, values } = backend.allocate(shape, "float32");
  const numWhole = Math.floor(width / PIECE);
  const sums = new Float32Array(numWhole);
  for (let row = 0; row < values.length; row++) {
    const start = row * width;
    const rest = start + numWhole * PIECE;
    const whole = { data: source.subarray(start, rest), dims: [numWhole, PIECE] };
    p.run([whole, integers([1])], [{ data: sums, dims: [numWhole, 1] }]);
    let sum = sums.reduce((total, value) => total + value, 0);
    for (let i = rest; i < start + width; i++) sum += source[i]!;
    values[row] = sum * factor;
  }
  return tensor;
}

/** A vector of int64 as an input of a program. */
export function integers(values: readonly number[]): TensorView {
  return { data: BigInt64Array.from(values, BigInt), dims: [values.length] };
}

function onnx(opType: string): () => Formula {
  return () => (g, x, axes) => g.op(opType, [x, axes], { keepdims: 1 });
}

/** ONNX Runtime overlooks NaN in a maximum or minimum; tfjs does not. */
function extremum(opType: string): (dtype: NativeDType) => Formula {
  return (dtype) => (g, x, axes) => {
    const result = g.op(opType, [x, axes], { keepdims: 1 });
    if (dtype !== "float32") return result;
    const isNaN = g.cast(g.op("IsNaN", [x]), "float32");
    const hasNaN = g.cast(g.op("ReduceMax", [isNaN, axes], { keepdims: 1 }), "bool");
    return select(g, hasNaN, g.scalar(NaN), result);
  };
}

function bytewise(opType: string): () => Formula {
  return () => (g, x, axes) => g.cast(g.op(opType, [g.cast(x, "int32"), axes], { keepdims: 1 }), "bool");
}

/** Whether some value is NaN, or infinities of both signs are there: one quick pass, where looking for NaN takes several. */
function mayHoldNaN({ data }: TensorView): boolean {
  const p = program("sum of all", (g) =>
    g.output(g.op("ReduceSum", [g.input("float32")], { keepdims: 0 }), "float32"),
  );
  const sum = new Float32Array(1);
  p.run([{ data, dims: [(data as Float32Array).length] }], [{ data: sum, dims: [] }]);
  return Number.isNaN(sum[0]);
}

/** Index of the largest or smallest; as in tfjs, NaN never wins unless it is the first and nothing compares. */
function argument(kernelName: "ArgMax" | "ArgMin", worst: number): NativeKernel {
  return nativeKernel<{ x: TensorInfo }, { axis: number | number[] }>(
    kernelName,
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      const size = util.sizeFromShape(x.shape);
      if (x.dtype !== "float32" || size === 0 || isSmall(size)) return undefined;
      const [axis] = util.parseAxisParam(attrs.axis, x.shape) as [number];
      const outer = util.sizeFromShape(x.shape.slice(0, axis));
      const inner = util.sizeFromShape(x.shape.slice(axis + 1));
      const shape = x.shape.filter((_, i) => i !== axis);
      const view = backend.view(x, [outer, x.shape[axis]!, inner]);
      const output = { shape, dtype: "int32", dims: [outer, 1, inner] } as const;
      if (!mayHoldNaN(view)) {
        const p = program(`${kernelName} without NaN`, (g) => {
          const attributes = { axis: 1, keepdims: 1, select_last_index: 0 };
          g.output(g.cast(g.op(kernelName, [g.input("float32")], attributes), "int32"), "int32");
        });
        return backend.run1(p, [view], output);
      }
      const p = program(kernelName, (g) => {
        const value = g.input("float32"); // [outer, axis, inner]
        const first = g.op("Slice", [value, g.integers(0), g.integers(1), g.integers(1)]);
        const comparable = select(g, g.op("IsNaN", [value]), g.scalar(worst), value);
        const index = g.cast(
          g.op(kernelName, [comparable], { axis: 1, keepdims: 1, select_last_index: 0 }),
          "int32",
        );
        const zero = g.op("Sub", [index, index]);
        g.output(select(g, g.op("IsNaN", [first]), zero, index), "int32");
      });
      return backend.run1(p, [view], output);
    },
    "dtypes other than float32",
  );
}

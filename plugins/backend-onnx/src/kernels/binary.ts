import { backend_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program } from "../runtime/program.js";
import type { NativeDType, OnnxBackend } from "../onnx-backend.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { leakyRelu, select } from "./unary.js";

type Formula = (g: GraphBuilder, a: GraphValue, b: GraphValue) => GraphValue;

interface BinaryOptions {
  /** Rounded as in JavaScript, so that small tensors may go there. */
  exact?: boolean;
  /** Dtypes it takes, both arguments the same. Default: float32 only. */
  dtypes?: readonly NativeDType[];
  /** Dtype of the result. Default: that of the arguments. */
  output?: NativeDType;
  /** Names of the two inputs. Default: a and b. */
  names?: readonly [string, string];
}

const NUMBERS = ["float32", "int32"] as const;

/** Elementwise functions of two tensors which broadcast. */
export const binaryKernels: readonly NativeKernel[] = [
  binary("Add", onnx("Add"), { exact: true, dtypes: NUMBERS }),
  binary("Sub", onnx("Sub"), { exact: true, dtypes: NUMBERS }),
  // Not int32: JavaScript rounds a product beyond 2^53 before it wraps, and tfjs with it.
  binary("Multiply", onnx("Mul"), { exact: true }),
  binary("RealDiv", onnx("Div"), { exact: true }),
  binary("Maximum", onnx("Max"), { exact: true, dtypes: NUMBERS }),
  binary("Minimum", onnx("Min"), { exact: true, dtypes: NUMBERS }),
  binary("SquaredDifference", (g, a, b) => {
    const difference = g.op("Sub", [a, b]);
    return g.op("Mul", [difference, difference]);
  }),
  binary("Pow", pow),
  binary("Mod", mod),
  binary("Prelu", leakyRelu, { exact: true, names: ["x", "alpha"] }),
  binary("Equal", onnx("Equal"), { exact: true, dtypes: NUMBERS, output: "bool" }),
  binary("NotEqual", (g, a, b) => g.op("Not", [g.op("Equal", [a, b])]), {
    exact: true,
    dtypes: NUMBERS,
    output: "bool",
  }),
  binary("Greater", onnx("Greater"), { exact: true, dtypes: NUMBERS, output: "bool" }),
  binary("GreaterEqual", onnx("GreaterOrEqual"), { exact: true, dtypes: NUMBERS, output: "bool" }),
  binary("Less", onnx("Less"), { exact: true, dtypes: NUMBERS, output: "bool" }),
  binary("LessEqual", onnx("LessOrEqual"), { exact: true, dtypes: NUMBERS, output: "bool" }),
  binary("BitwiseAnd", onnx("BitwiseAnd"), { exact: true, dtypes: ["int32"] }),
  binary("LogicalAnd", onnx("And"), { exact: true, dtypes: ["bool"] }),
  binary("LogicalOr", onnx("Or"), { exact: true, dtypes: ["bool"] }),
];

function onnx(opType: string): Formula {
  return (g, a, b) => g.op(opType, [a, b]);
}

function binary(
  kernelName: string,
  formula: Formula,
  { exact = false, dtypes = ["float32"], output, names: [first, second] = ["a", "b"] }: BinaryOptions = {},
): NativeKernel {
  return nativeKernel<Record<string, TensorInfo>, unknown>(
    kernelName,
    "graph",
    ({ inputs, backend }) => {
      const a = inputs[first]!;
      const b = inputs[second]!;
      const dtype = dtypes.find((d) => d === a.dtype && d === b.dtype);
      if (dtype === undefined) return undefined;
      const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
      const size = util.sizeFromShape(shape);
      if (size === 0 || (exact && isSmall(size))) return undefined;
      return runBinary(backend, `${kernelName} ${dtype}`, formula, a, b, shape, dtype, output ?? dtype);
    },
    `dtypes other than ${dtypes.join(", ")}`,
  );
}

function runBinary(
  backend: OnnxBackend,
  name: string,
  formula: Formula,
  a: TensorInfo,
  b: TensorInfo,
  shape: readonly number[],
  input: NativeDType,
  output: NativeDType,
): TensorInfo {
  const p = program(name, (g) => g.output(formula(g, g.input(input), g.input(input)), output));
  if (util.arraysEqual(a.shape, b.shape)) {
    const dims = [util.sizeFromShape(a.shape)];
    return backend.run1(p, [backend.view(a, dims), backend.view(b, dims)], { shape, dtype: output, dims });
  }
  return backend.run1(p, [backend.view(a), backend.view(b)], { shape, dtype: output });
}

/** `a + b` in float32, for other kernels. */
export function add(backend: OnnxBackend, a: TensorInfo, b: TensorInfo): TensorInfo {
  const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  return runBinary(backend, "Add float32", onnx("Add"), a, b, shape, "float32", "float32");
}

/** `x < 0 ? alpha * x : x` in float32, for other kernels. */
export function prelu(backend: OnnxBackend, x: TensorInfo, alpha: TensorInfo): TensorInfo {
  return runBinary(backend, "Prelu float32", leakyRelu, x, alpha, x.shape, "float32", "float32");
}

/** ONNX has pow(1, NaN) = 1 and pow(-1, ±Inf) = 1 as C does; in JavaScript both are NaN. */
function pow(g: GraphBuilder, a: GraphValue, b: GraphValue): GraphValue {
  const isOne = g.op("Equal", [g.op("Abs", [a]), g.scalar(1)]);
  const isOdd = g.op("Or", [g.op("IsNaN", [b]), g.op("IsInf", [b])]);
  return select(g, g.op("And", [isOne, isOdd]), g.scalar(NaN), g.op("Pow", [a, b]));
}

/** The remainder takes the divisor's sign, by tfjs's formula. */
function mod(g: GraphBuilder, a: GraphValue, b: GraphValue): GraphValue {
  const fmod = (x: GraphValue) => g.op("Mod", [x, b], { fmod: 1 });
  const zero = g.scalar(0);
  const remainder = fmod(a);
  const bothNegative = g.op("And", [g.op("Less", [a, zero]), g.op("Less", [b, zero])]);
  const neither = g.op("And", [g.op("GreaterOrEqual", [a, zero]), g.op("GreaterOrEqual", [b, zero])]);
  return select(g, g.op("Or", [bothNegative, neither]), remainder, fmod(g.op("Add", [remainder, b])));
}

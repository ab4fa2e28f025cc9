import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { program } from "../runtime/program.js";
import { runByRows, scalar, tileProgram } from "../runtime/row-tiles.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";

interface Formula {
  (g: GraphBuilder, x: GraphValue, ...parameters: GraphValue[]): GraphValue;
  /** One operation, which needs no tiles: nothing lies between it and another. */
  isSingle?: boolean;
}

interface UnaryOptions {
  /** Rounded as in JavaScript, so that small tensors may go there. */
  exact?: boolean;
  /** Dtype of the result, and of the argument. Default: float32. */
  output?: "float32" | "bool";
  input?: "float32" | "bool";
  /** Attributes that are handed to the formula as scalars. */
  parameters?: readonly string[];
}

const NOT_FLOAT = "int32 and other dtypes";

/** Elementwise functions of one tensor. */
export const unaryKernels: readonly NativeKernel[] = [
  unary("Abs", onnx("Abs"), { exact: true }),
  unary("Acos", onnx("Acos")),
  unary("Acosh", onnx("Acosh")),
  unary("Asin", onnx("Asin")),
  unary("Asinh", onnx("Asinh")),
  unary("Atan", onnx("Atan")),
  unary("Atanh", onnx("Atanh")),
  unary("Ceil", onnx("Ceil"), { exact: true }),
  unary("ClipByValue", clip, { exact: true, parameters: ["clipValueMin", "clipValueMax"] }),
  unary("Cos", onnx("Cos")),
  unary("Cosh", onnx("Cosh")),
  unary("Elu", elu),
  unary("Erf", onnx("Erf")),
  unary("Exp", onnx("Exp")),
  unary("Expm1", expm1),
  unary("Floor", onnx("Floor"), { exact: true }),
  unary("IsFinite", (g, x) => g.op("Not", [g.op("Or", [g.op("IsNaN", [x]), g.op("IsInf", [x])])]), {
    exact: true,
    output: "bool",
  }),
  unary("IsInf", onnx("IsInf"), { exact: true, output: "bool" }),
  unary("IsNan", onnx("IsNaN"), { exact: true, output: "bool" }),
  unary("LeakyRelu", leakyRelu, { parameters: ["alpha"] }),
  unary("Log", onnx("Log")),
  unary("Log1p", log1p),
  unary("LogicalNot", onnx("Not"), { exact: true, input: "bool", output: "bool" }),
  unary("Neg", onnx("Neg"), { exact: true }),
  unary("Reciprocal", onnx("Reciprocal"), { exact: true }),
  unary("Relu", relu, { exact: true }),
  unary("Relu6", relu6, { exact: true }),
  unary("Round", onnx("Round"), { exact: true }),
  unary("Rsqrt", (g, x) => g.op("Reciprocal", [g.op("Sqrt", [x])])),
  unary("Selu", selu),
  unary("Sigmoid", (g, x) => g.sigmoid(x)),
  unary("Sign", (g, x) => select(g, g.op("IsNaN", [x]), g.scalar(0), g.op("Sign", [x])), { exact: true }),
  unary("Sin", onnx("Sin")),
  unary("Sinh", onnx("Sinh")),
  unary("Softplus", onnx("Softplus")),
  unary("Sqrt", onnx("Sqrt"), { exact: true }),
  unary("Square", (g, x) => g.op("Mul", [x, x]), { exact: true }),
  unary("Step", step, { exact: true, parameters: ["alpha"] }),
  unary("Tan", tan),
  unary("Tanh", onnx("Tanh")),
];

const ACTIVATIONS: Readonly<Record<string, { formula: Formula; parameter?: boolean }>> = {
  elu: { formula: elu },
  leakyrelu: { formula: leakyRelu, parameter: true },
  relu: { formula: relu },
  relu6: { formula: relu6 },
  sigmoid: { formula: (g, x) => g.sigmoid(x) },
};

/** The activation of a fused kernel, by tfjs's name for it; `undefined` for an unknown one. `x` is float32. */
export function activate(
  backend: OnnxBackend,
  name: string,
  x: TensorInfo,
  alpha = 0.2,
): TensorInfo | undefined {
  const activation = ACTIVATIONS[name];
  if (!activation) return undefined;
  const p = program(`activation ${name}`, (g) => {
    const value = g.input("float32");
    g.output(activation.formula(g, value, ...(activation.parameter ? [g.input("float32")] : [])), "float32");
  });
  const scalars = activation.parameter ? [{ data: Float32Array.of(alpha), dims: [] }] : [];
  return backend.run1(p, [backend.view(x), ...scalars], { shape: x.shape, dtype: "float32" });
}

function unary(
  kernelName: string,
  formula: Formula,
  { exact = false, output = "float32", input = "float32", parameters = [] }: UnaryOptions = {},
): NativeKernel {
  return nativeKernel<{ x: TensorInfo }, Record<string, number>>(
    kernelName,
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      if (x.dtype !== input) return undefined;
      const size = util.sizeFromShape(x.shape);
      if (size === 0 || (exact && isSmall(size))) return undefined;
      const build = (g: GraphBuilder) => {
        const value = g.input(input);
        g.output(formula(g, value, ...parameters.map(() => g.input("float32"))), output);
      };
      const scalars = parameters.map((name) => scalar(attrs[name] ?? 0));
      if (formula.isSingle) {
        // One axis: ONNX Runtime is at its best when it need not think about shapes.
        const view = backend.view(x, [size]);
        const spec = { shape: x.shape, dtype: output, dims: [size] };
        return backend.run1(program(kernelName, build), [view, ...scalars], spec);
      }
      const { tensor, values } = backend.allocate(x.shape, output);
      const elements = [{ data: backend.values(x), row: [] }];
      runByRows(tileProgram(kernelName, build), size, elements, scalars, [{ data: values, row: [] }]);
      return tensor;
    },
    input === "float32" ? NOT_FLOAT : "dtypes other than bool",
  );
}

function onnx(opType: string): Formula {
  return Object.assign((g: GraphBuilder, x: GraphValue) => g.op(opType, [x]), { isSingle: true });
}

/** `condition ? a : b`, elementwise. */
export function select(g: GraphBuilder, condition: GraphValue, a: GraphValue, b: GraphValue): GraphValue {
  return g.op("Where", [condition, a, b]);
}

function atLeastZero(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("GreaterOrEqual", [x, g.scalar(0)]);
}

function elu(g: GraphBuilder, x: GraphValue): GraphValue {
  return select(g, atLeastZero(g, x), x, expm1(g, x));
}

function relu(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("Max", [x, g.scalar(0)]);
}

function relu6(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("Min", [relu(g, x), g.scalar(6)]);
}

export function leakyRelu(g: GraphBuilder, x: GraphValue, alpha: GraphValue): GraphValue {
  return select(g, g.op("Less", [x, g.scalar(0)]), g.op("Mul", [alpha, x]), x);
}

function clip(g: GraphBuilder, x: GraphValue, min: GraphValue, max: GraphValue): GraphValue {
  const raised = select(g, g.op("Less", [x, min]), min, x);
  return select(g, g.op("Greater", [x, max]), max, raised);
}

/** `exp(x) - 1` without cancellation near 0: `(u - 1) * x / log(u)` with `u = exp(x)` as rounded (W. Kahan). */
function expm1(g: GraphBuilder, x: GraphValue): GraphValue {
  const one = g.scalar(1);
  const u = g.op("Exp", [x]);
  const less = g.op("Sub", [u, one]);
  const corrected = g.op("Mul", [less, g.op("Div", [x, g.op("Log", [u])])]);
  const tiny = select(g, g.op("Equal", [u, one]), x, corrected);
  // From 1 on the plain difference is as good, and where u is 0 or infinite it is all there is.
  return select(g, g.op("Less", [g.op("Abs", [x]), one]), tiny, less);
}

/** `log(1 + x)` without cancellation near 0: `log(u) * x / (u - 1)` with `u = 1 + x` as rounded (W. Kahan). */
function log1p(g: GraphBuilder, x: GraphValue): GraphValue {
  const one = g.scalar(1);
  const u = g.op("Add", [one, x]);
  const log = g.op("Log", [u]);
  const corrected = g.op("Mul", [log, g.op("Div", [x, g.op("Sub", [u, one])])]);
  const tiny = select(g, g.op("Equal", [u, one]), x, corrected);
  return select(g, g.op("Less", [g.op("Abs", [x]), one]), tiny, log);
}

/** In float64: near a pole, ONNX Runtime's float32 tangent is off in the seventh digit. */
function tan(g: GraphBuilder, x: GraphValue): GraphValue {
  const wide = g.cast(x, "float64");
  return g.cast(g.op("Div", [g.op("Sin", [wide]), g.op("Cos", [wide])]), "float32");
}

// The constants of Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

function selu(g: GraphBuilder, x: GraphValue): GraphValue {
  const positive = g.op("Mul", [x, g.scalar(SELU_SCALE)]);
  const rest = g.op("Mul", [expm1(g, x), g.scalar(SELU_SCALE * SELU_ALPHA)]);
  return select(g, atLeastZero(g, x), positive, rest);
}

function step(g: GraphBuilder, x: GraphValue, alpha: GraphValue): GraphValue {
  const known = select(g, g.op("Greater", [x, g.scalar(0)]), g.scalar(1), alpha);
  return select(g, g.op("IsNaN", [x]), x, known);
}

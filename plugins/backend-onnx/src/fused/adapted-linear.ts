import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import type { NativeArray, OnnxBackend } from "../onnx-backend.js";
import { program, type Program, type TensorView } from "../runtime/program.js";

interface AdapterAttrs {
  scaling: number;
  dropped?: Int32Array;
}

/** `y = x weight^T + bias + scaling d(x) a^T b^T`; the low-rank part is added where the product of the layer is. */
export const adaptedLinearKernel = nativeKernel<
  { x: TensorInfo; weight: TensorInfo; bias?: TensorInfo; a: TensorInfo; b: TensorInfo },
  AdapterAttrs
>("SdmAdaptedLinear", "graph", ({ inputs: { x, weight, bias, a, b }, attrs, backend }) => {
  const { tensor, values } = backend.allocate([x.shape[0]!, weight.shape[0]!], "float32");
  const y = { data: values, dims: tensor.shape };
  layerProgram(bias !== undefined).run([x, weight, ...(bias ? [bias] : [])].map(viewIn(backend)), [y]);
  withoutDropped(backend, x, attrs.dropped, (input) => {
    lowRankProgram(attrs.scaling).run([input, backend.view(a), backend.view(b), y], [y]);
  });
  return tensor;
});

/** `dx = sum + dy weight + d(dInner a)`, `dA = dInner^T d(x)` and `dB = dy^T (scaling d(x) a^T)` with `dInner = scaling dy b`. */
export const adaptedLinearBackwardKernel = nativeKernel<
  Record<"x" | "dy" | "weight" | "a" | "b", TensorInfo> & { sum?: TensorInfo },
  AdapterAttrs
>("SdmAdaptedLinearBackward", "graph", ({ inputs, attrs: { scaling, dropped }, backend }) => {
  const { x, dy, weight, a, b, sum } = inputs;
  const inner = backend.allocate([x.shape[0]!, a.shape[0]!], "float32");
  const dInner = { data: inner.values, dims: inner.tensor.shape };
  const [dA, dB, dx] = [a, b, x].map(({ shape }) => backend.allocate(shape, "float32")) as [Made, Made, Made];
  const made = ({ tensor, values }: Made): TensorView => ({ data: values, dims: tensor.shape });
  withoutDropped(backend, x, dropped, (input) => {
    const given = [input, ...[dy, a, b].map(viewIn(backend))];
    matrixGradientsProgram(scaling).run(given, [dInner, made(dA), made(dB)]);
  });
  layerBackwardProgram(sum !== undefined).run([dy, weight, ...(sum ? [sum] : [])].map(viewIn(backend)), [
    made(dx),
  ]);
  // What was dropped has no gradient from the adapter: it gets back what the layer alone gave it.
  const kept = dropped && valuesAt(dx.values as Float32Array, dropped);
  inputGradientProgram().run([dInner, backend.view(a), made(dx)], [made(dx)]);
  if (kept) putBack(dx.values as Float32Array, dropped, kept);
  backend.disposeIntermediateTensorInfo(inner.tensor);
  return [dx.tensor, dA.tensor, dB.tensor];
});

type Made = ReturnType<OnnxBackend["allocate"]>;

function viewIn(backend: OnnxBackend): (tensor: TensorInfo) => TensorView {
  return (tensor) => backend.view(tensor);
}

/** Calls `body` with `x`, where values are dropped with a copy that has zeros in their places. */
function withoutDropped(
  backend: OnnxBackend,
  x: TensorInfo,
  dropped: Int32Array | undefined,
  body: (input: TensorView) => void,
): void {
  if (!dropped) return body(backend.view(x));
  const { tensor, values } = backend.allocate(x.shape, "float32");
  try {
    (values as NativeArray).set(backend.values(x));
    for (let i = 0; i < dropped.length; i++) values[dropped[i]!] = 0;
    body({ data: values, dims: x.shape });
  } finally {
    backend.disposeIntermediateTensorInfo(tensor);
  }
}

let scratch = new Float32Array(0);

/** The values at these positions, until the next call. */
function valuesAt(values: Float32Array, positions: Int32Array): Float32Array {
  const count = positions.length;
  if (scratch.length < count) scratch = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) scratch[i] = values[positions[i]!]!;
  return scratch;
}

function putBack(values: Float32Array, positions: Int32Array, kept: Float32Array): void {
  const count = positions.length;
  for (let i = 0; i < count; i++) values[positions[i]!] = kept[i]!;
}

const COMPUTE = { computeBound: true, keepScratch: true };

/** `x weight^T + bias` */
function layerProgram(hasBias: boolean): Program {
  return program(
    `SdmAdaptedLinear layer${hasBias ? " bias" : ""}`,
    (g) => {
      const [x, weight] = [g.input("float32"), g.input("float32")];
      const y = hasBias
        ? g.op("Gemm", [x, weight, g.input("float32")], { transB: 1 })
        : g.matMul(x, weight, { transposeB: true });
      g.output(y, "float32");
    },
    COMPUTE,
  );
}

/** `y + scaling x a^T b^T`, which may be written in the place of `y`: Gemm copies that to its result before anything else. */
function lowRankProgram(scaling: number): Program {
  return program(
    `SdmAdaptedLinear low rank ${scaling}`,
    (g) => {
      const [x, a, b, y] = [0, 1, 2, 3].map(() => g.input("float32")) as [string, string, string, string];
      const inner = g.matMul(x, a, { transposeB: true, alpha: scaling });
      g.output(g.op("Gemm", [inner, b, y], { transB: 1 }), "float32");
    },
    COMPUTE,
  );
}

function matrixGradientsProgram(scaling: number): Program {
  return program(
    `SdmAdaptedLinearBackward matrices ${scaling}`,
    (g) => {
      const [x, dy, a, b] = [0, 1, 2, 3].map(() => g.input("float32")) as [string, string, string, string];
      const dInner = g.matMul(dy, b, { alpha: scaling });
      const inner = g.matMul(x, a, { transposeB: true, alpha: scaling });
      g.output(dInner, "float32");
      g.output(g.matMul(dInner, x, { transposeA: true }), "float32");
      // The few rows first: the product with rows and columns exchanged takes half the time.
      const transposed = g.matMul(inner, dy, { transposeA: true });
      g.output(g.op("Transpose", [transposed], { perm: [1, 0] }), "float32");
    },
    COMPUTE,
  );
}

/** `dy weight + sum` */
function layerBackwardProgram(hasSum: boolean): Program {
  return program(
    `SdmAdaptedLinearBackward layer${hasSum ? " sum" : ""}`,
    (g) => {
      const [dy, weight] = [g.input("float32"), g.input("float32")];
      g.output(hasSum ? g.op("Gemm", [dy, weight, g.input("float32")]) : g.matMul(dy, weight), "float32");
    },
    COMPUTE,
  );
}

/** `dx + dInner a`, which may be written in the place of `dx`. */
function inputGradientProgram(): Program {
  return program(
    "SdmAdaptedLinearBackward input",
    (g) => {
      const [dInner, a, dx] = [0, 1, 2].map(() => g.input("float32")) as [string, string, string];
      g.output(g.op("Gemm", [dInner, a, dx]), "float32");
    },
    COMPUTE,
  );
}

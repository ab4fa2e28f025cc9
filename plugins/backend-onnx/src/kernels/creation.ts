import { type DataType, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { NativeDType, OnnxBackend } from "../onnx-backend.js";
import { program } from "../runtime/program.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { integers } from "./reduction.js";
import { select } from "./unary.js";

const EXCEPT = "strings and complex numbers";

function isNumeric(dtype: DataType): dtype is NativeDType {
  return dtype === "float32" || dtype === "int32" || dtype === "bool";
}

/** Kernels that make, convert or choose values. */
export const creationKernels: readonly NativeKernel[] = [
  nativeKernel<Record<string, never>, { shape: number[]; value: number | string; dtype: DataType }>(
    "Fill",
    "copy",
    ({ attrs: { shape, value, dtype }, backend }) => {
      const kind = dtype ?? util.inferDtype(value);
      return isNumeric(kind) ? fill(backend, shape, kind, Number(value)) : undefined;
    },
    EXCEPT,
  ),
  like("ZerosLike", 0),
  like("OnesLike", 1),
  nativeKernel<{ x: TensorInfo }, { dtype: DataType }>(
    "Cast",
    "copy",
    ({ inputs: { x }, attrs: { dtype }, backend }) =>
      isNumeric(x.dtype) && isNumeric(dtype) ? cast(backend, x, dtype) : undefined,
    EXCEPT,
  ),
  nativeKernel<
    { indices: TensorInfo },
    { dtype: DataType; depth: number; onValue: number; offValue: number }
  >(
    "OneHot",
    "copy",
    ({ inputs: { indices }, attrs: { dtype, depth, onValue, offValue }, backend }) => {
      if (!isNumeric(dtype) || !isNumeric(indices.dtype)) return undefined;
      const { tensor, values } = backend.allocate([...indices.shape, depth], dtype);
      values.fill(offValue);
      backend.values(indices).forEach((index: number, row: number) => {
        if (index >= 0 && index < depth) values[row * depth + index] = onValue;
      });
      return tensor;
    },
    EXCEPT,
  ),
  nativeKernel<{ condition: TensorInfo; t: TensorInfo; e: TensorInfo }, unknown>(
    "Select",
    "graph",
    ({ inputs: { condition, t, e }, backend }) => {
      const size = util.sizeFromShape(t.shape);
      const { dtype } = t;
      const isWhole = util.arraysEqual(condition.shape, t.shape);
      if (dtype !== e.dtype || !isNumeric(dtype) || condition.dtype !== "bool" || !isWhole || isSmall(size))
        return undefined;
      const type = dtype === "bool" ? "uint8" : dtype;
      const p = program(`Select ${dtype}`, (g) => {
        g.output(select(g, g.input("bool"), g.input(type), g.input(type)), type);
      });
      const dims = [size];
      const inputs = [backend.view(condition, dims), backend.view(t, dims), backend.view(e, dims)];
      return backend.run1(p, inputs, { shape: t.shape, dtype, dims });
    },
    "strings, complex numbers, two dtypes",
  ),
  nativeKernel<TensorInfo[], unknown>(
    "AddN",
    "graph",
    ({ inputs, backend }) => {
      const { shape } = inputs[0]!;
      const size = util.sizeFromShape(shape);
      const fits = inputs.every((t) => t.dtype === "float32" && util.arraysEqual(t.shape, shape));
      if (!fits || isSmall(size) || inputs.length > MAX_ADDENDS) return undefined;
      const p = program(`AddN ${inputs.length}`, (g) => {
        const values = inputs.map(() => g.input("float32"));
        g.output(
          values.reduce((sum, value) => g.op("Add", [sum, value])),
          "float32",
        );
      });
      const dims = [size];
      return backend.run1(
        p,
        inputs.map((t) => backend.view(t, dims)),
        { shape, dtype: "float32", dims },
      );
    },
    "dtypes other than float32",
  ),
  nativeKernel<{ x: TensorInfo }, { axis: number; exclusive: boolean; reverse: boolean }>(
    "Cumsum",
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      const size = util.sizeFromShape(x.shape);
      if (x.dtype !== "float32" || isSmall(size)) return undefined;
      const exclusive = Number(attrs.exclusive);
      const reverse = Number(attrs.reverse);
      const p = program(`Cumsum ${exclusive} ${reverse}`, (g) => {
        g.output(g.op("CumSum", [g.input("float32"), g.input("int64")], { exclusive, reverse }), "float32");
      });
      const axis = util.parseAxisParam(attrs.axis, x.shape)[0]!;
      return backend.run1(p, [backend.view(x), integers([axis])], { shape: x.shape, dtype: "float32" });
    },
    "dtypes other than float32",
  ),
];

const MAX_ADDENDS = 64;

function fill(backend: OnnxBackend, shape: readonly number[], dtype: NativeDType, value: number): TensorInfo {
  const { tensor, values } = backend.allocate(shape, dtype);
  values.fill(value);
  return tensor;
}

function like(kernelName: string, value: number): NativeKernel {
  return nativeKernel<{ x: TensorInfo }, unknown>(
    kernelName,
    "copy",
    ({ inputs: { x }, backend }) => (isNumeric(x.dtype) ? fill(backend, x.shape, x.dtype, value) : undefined),
    EXCEPT,
  );
}

/** Converts as JavaScript does: towards zero, NaN to 0, modulo 2^32. */
function cast(backend: OnnxBackend, x: TensorInfo, dtype: NativeDType): TensorInfo {
  if (x.dtype === dtype) return backend.reshaped(x, x.shape);
  const source = backend.values(x);
  const { tensor, values } = backend.allocate(x.shape, dtype);
  if (dtype !== "bool") values.set(source);
  else for (let i = 0; i < source.length; i++) values[i] = source[i] === 0 ? 0 : 1;
  return tensor;
}

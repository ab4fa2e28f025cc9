import { backend_util, slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { NativeArray, NativeDType, OnnxBackend } from "../onnx-backend.js";
import { isMovable, movement, NOT_MOVABLE, size } from "./move-values.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { integers } from "./reduction.js";

/** Kernels that take parts of a tensor. */
export const sliceKernels: readonly NativeKernel[] = [
  nativeKernel<{ x: TensorInfo }, { begin: number[]; size: number[] }>(
    "Slice",
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      if (!isMovable(x)) return undefined;
      const [begin, shape] = slice_util.parseSliceParams(x, attrs.begin, attrs.size) as [number[], number[]];
      slice_util.assertParamsValid(x, begin, shape);
      return slice(backend, x, begin, shape);
    },
    NOT_MOVABLE,
  ),
  nativeKernel<{ x: TensorInfo }, { numOrSizeSplits: number[] | number; axis: number }>(
    "SplitV",
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      if (!isMovable(x)) return undefined;
      const axis = util.parseAxisParam(attrs.axis, x.shape)[0]!;
      const widths = backend_util.prepareSplitSize(x, attrs.numOrSizeSplits, axis);
      return split(backend, x, axis, widths);
    },
    NOT_MOVABLE,
  ),
  nativeKernel<{ value: TensorInfo }, { axis: number }>(
    "Unpack",
    "graph",
    ({ inputs: { value }, attrs, backend }) => {
      if (!isMovable(value)) return undefined;
      const axis = util.parseAxisParam(attrs.axis, value.shape)[0]!;
      const parts = split(backend, value, axis, new Array<number>(value.shape[axis]!).fill(1));
      const shape = value.shape.filter((_, i) => i !== axis);
      return parts.map((part) => ({ ...part, shape }));
    },
    NOT_MOVABLE,
  ),
  nativeKernel<{ x: TensorInfo }, StridedSliceAttrs>(
    "StridedSlice",
    "graph",
    ({ inputs: { x }, attrs, backend }) => (isMovable(x) ? stridedSlice(backend, x, attrs) : undefined),
    NOT_MOVABLE,
  ),
  nativeKernel<{ x: TensorInfo }, { dims: number | number[] }>(
    "Reverse",
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      if (!isMovable(x) || isSmall(size(x))) return undefined;
      const axes = util.parseAxisParam(attrs.dims, x.shape);
      const starts = x.shape.map((d, i) => (axes.includes(i) ? d - 1 : 0));
      const steps = x.shape.map((_, i) => (axes.includes(i) ? -1 : 1));
      return sliceGraph(backend, x, starts, x.shape, steps);
    },
    NOT_MOVABLE,
  ),
];

interface StridedSliceAttrs {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

/** A view of `x` where the slice is one piece, else a copy. */
function slice(
  backend: OnnxBackend,
  x: TensorInfo,
  begin: readonly number[],
  shape: readonly number[],
): TensorInfo | undefined {
  if (util.sizeFromShape([...shape]) === 0) return backend.allocate(shape, x.dtype as NativeDType).tensor;
  if (!slice_util.isSliceContinous(x.shape, [...begin], [...shape])) {
    if (isSmall(size(x))) return undefined;
    return sliceGraph(
      backend,
      x,
      begin,
      shape,
      shape.map(() => 1),
    );
  }
  const start = slice_util.computeFlatOffset([...begin], util.computeStrides(x.shape));
  const values = backend.values(x).subarray(start, start + util.sizeFromShape([...shape]));
  // A small part is copied, so as not to keep a large buffer from the pool.
  return backend.makeTensorInfo([...shape], x.dtype, isSmall(values.length) ? values.slice() : values);
}

function sliceGraph(
  backend: OnnxBackend,
  x: TensorInfo,
  starts: readonly number[],
  shape: readonly number[],
  steps: readonly number[],
): TensorInfo {
  const p = movement("Slice", x, (g, value) =>
    g.op("Slice", [value, g.input("int64"), g.input("int64"), g.input("int64"), g.input("int64")]),
  );
  // Going down to index 0 ends "before 0", which ONNX writes as a number below -size.
  const ends = starts.map((start, i) => {
    const end = start + steps[i]! * shape[i]!;
    return steps[i]! < 0 && end < 0 ? -x.shape[i]! - 1 : end;
  });
  const inputs = [
    backend.view(x),
    integers(starts),
    integers(ends),
    integers(x.shape.map((_, i) => i)),
    integers(steps),
  ];
  return backend.run1(p, inputs, { shape, dtype: x.dtype as NativeDType });
}

function split(backend: OnnxBackend, x: TensorInfo, axis: number, widths: readonly number[]): TensorInfo[] {
  const parts: TensorInfo[] = [];
  const begin = x.shape.map(() => 0);
  for (const width of widths) {
    const shape = x.shape.map((d, i) => (i === axis ? width : d));
    const part = slice(backend, x, begin, shape) ?? sliceRows(backend, x, axis, begin[axis]!, shape);
    parts.push(part);
    begin[axis]! += width;
  }
  return parts;
}

/** The part of `x` from `start` on along `axis`, row by row. */
function sliceRows(
  backend: OnnxBackend,
  x: TensorInfo,
  axis: number,
  start: number,
  shape: readonly number[],
): TensorInfo {
  const { tensor, values } = backend.allocate(shape, x.dtype as NativeDType);
  const source: NativeArray = backend.values(x);
  const inner = util.sizeFromShape(x.shape.slice(axis + 1));
  const width = shape[axis]! * inner;
  const stride = x.shape[axis]! * inner;
  for (let to = 0, from = start * inner; to < values.length; to += width, from += stride) {
    values.set(source.subarray(from, from + width), to);
  }
  return tensor;
}

function stridedSlice(backend: OnnxBackend, x: TensorInfo, attrs: StridedSliceAttrs): TensorInfo | undefined {
  const info = slice_util.sliceInfo(
    x.shape,
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
  if (info.isIdentity) return backend.reshaped(x, info.finalShape);
  if (info.sliceDim0 || info.isSimpleSlice) {
    const shape = slice_util.computeOutShape(info.begin, info.end, info.strides);
    const part = slice(backend, x, info.begin, shape);
    return part && { ...part, shape: info.finalShape };
  }
  if (isSmall(size(x)) || util.sizeFromShape(info.finalShapeSparse) === 0) return undefined;
  const part = sliceGraph(backend, x, info.begin, info.finalShapeSparse, info.strides);
  return { ...part, shape: info.finalShape };
}

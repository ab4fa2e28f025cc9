import { backend_util, slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { NativeArray, NativeDType, OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { type Program, program } from "../runtime/program.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { integers } from "./reduction.js";

const EXCEPT = "strings and complex numbers";

/** Kernels that move values without computing: shapes, slices, gathers. They take every dtype with a fixed size. */
export const movementKernels: readonly NativeKernel[] = [
  nativeKernel<{ x: TensorInfo }, { perm: number[] }>(
    "Transpose",
    "graph",
    ({ inputs: { x }, attrs: { perm }, backend }) =>
      isMovable(x) && !isSmall(size(x)) ? transpose(backend, x, perm) : undefined,
    EXCEPT,
  ),
  nativeKernel<TensorInfo[], { axis: number }>(
    "Concat",
    "graph",
    ({ inputs, attrs, backend }) => concat(backend, inputs, attrs.axis),
    EXCEPT,
  ),
  nativeKernel<TensorInfo[], { axis: number }>(
    "Pack",
    "graph",
    ({ inputs, attrs, backend }) => pack(backend, inputs, attrs.axis),
    EXCEPT,
  ),
  nativeKernel<{ x: TensorInfo }, { begin: number[]; size: number[] }>(
    "Slice",
    "graph",
    ({ inputs: { x }, attrs, backend }) => {
      if (!isMovable(x)) return undefined;
      const [begin, shape] = slice_util.parseSliceParams(x, attrs.begin, attrs.size) as [number[], number[]];
      slice_util.assertParamsValid(x, begin, shape);
      return slice(backend, x, begin, shape);
    },
    EXCEPT,
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
    EXCEPT,
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
    EXCEPT,
  ),
  nativeKernel<{ x: TensorInfo }, StridedSliceAttrs>(
    "StridedSlice",
    "graph",
    ({ inputs: { x }, attrs, backend }) => (isMovable(x) ? stridedSlice(backend, x, attrs) : undefined),
    EXCEPT,
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
    EXCEPT,
  ),
  nativeKernel<{ x: TensorInfo; indices: TensorInfo }, { axis: number; batchDims: number }>(
    "GatherV2",
    "graph",
    ({ inputs: { x, indices }, attrs, backend }) => gather(backend, x, indices, attrs),
    `${EXCEPT}, batchDims`,
  ),
  nativeKernel<{ x: TensorInfo }, { paddings: [number, number][]; constantValue: number }>(
    "PadV2",
    "graph",
    ({ inputs: { x }, attrs: { paddings, constantValue }, backend }) => {
      const shape = paddings.map(([before, after], i) => before + x.shape[i]! + after);
      if (!isMovable(x) || size(x) === 0 || isSmall(util.sizeFromShape(shape))) return undefined;
      const p = movement("PadV2", x, (g, value) =>
        g.op("Pad", [value, g.input("int64"), g.input(stored(x))]),
      );
      const pads = [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)];
      const fill = backend.values(x).slice(0, 1).fill(constantValue);
      return backend.run1(p, [backend.view(x), integers(pads), { data: fill, dims: [] }], {
        shape,
        dtype: x.dtype as NativeDType,
      });
    },
    EXCEPT,
  ),
  nativeKernel<{ x: TensorInfo }, { reps: number[] }>(
    "Tile",
    "graph",
    ({ inputs: { x }, attrs: { reps }, backend }) => {
      if (reps.length !== x.shape.length) return undefined;
      const shape = x.shape.map((d, i) => d * reps[i]!);
      const numElements = util.sizeFromShape(shape);
      if (!isMovable(x) || numElements === 0 || isSmall(numElements)) return undefined;
      const p = movement("Tile", x, (g, value) => g.op("Tile", [value, g.input("int64")]));
      return backend.run1(p, [backend.view(x), integers(reps)], { shape, dtype: x.dtype as NativeDType });
    },
    EXCEPT,
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

function size(x: TensorInfo): number {
  return util.sizeFromShape(x.shape);
}

function isMovable(x: TensorInfo): boolean {
  return x.dtype === "float32" || x.dtype === "int32" || x.dtype === "bool";
}

/** A bool is moved as the byte it is stored in. */
function stored(x: TensorInfo): "float32" | "int32" | "uint8" {
  return x.dtype === "bool" ? "uint8" : (x.dtype as "float32" | "int32");
}

function movement(
  name: string,
  x: TensorInfo,
  build: (g: GraphBuilder, x: GraphValue) => GraphValue,
): Program {
  return program(`${name} ${x.dtype}`, (g) => {
    const type = stored(x);
    g.output(build(g, g.input(type)), type);
  });
}

/** Axes are permuted after those of size 1 are dropped and those that stay neighbours are merged. */
function transpose(backend: OnnxBackend, x: TensorInfo, perm: readonly number[]): TensorInfo {
  const shape = perm.map((axis) => x.shape[axis]!);
  const groups: number[][] = []; // of axes of x, in the order of the result
  for (const axis of perm.filter((a) => x.shape[a] !== 1)) {
    const last = groups.at(-1);
    const isNeighbour =
      last && x.shape.slice(last.at(-1)! + 1, axis).every((d) => d === 1) && axis > last.at(-1)!;
    if (isNeighbour) last.push(axis);
    else groups.push([axis]);
  }
  const sorted = [...groups].sort((a, b) => a[0]! - b[0]!);
  const merged = groups.map((group) => sorted.indexOf(group));
  if (merged.every((axis, i) => axis === i)) return backend.reshaped(x, shape);
  const width = (group: readonly number[]) => group.reduce((product, axis) => product * x.shape[axis]!, 1);
  const p = movement(`Transpose ${merged.join()}`, x, (g, value) =>
    g.op("Transpose", [value], { perm: merged }),
  );
  return backend.run1(p, [backend.view(x, sorted.map(width))], {
    shape,
    dtype: x.dtype as NativeDType,
    dims: groups.map(width),
  });
}

/** Beyond this many tensors the CPU kernel joins them: there would be a program for every number of them. */
const MAX_CONCAT = 64;

function concat(
  backend: OnnxBackend,
  inputs: readonly TensorInfo[],
  axisOrNegative: number,
): TensorInfo | undefined {
  const axis = util.parseAxisParam(axisOrNegative, inputs[0]!.shape)[0]!;
  const shapes = inputs.map((t) => t.shape);
  backend_util.assertParamsConsistent(shapes, axis);
  const shape = backend_util.computeOutShape(shapes, axis);
  const { dtype } = inputs[0]!;
  if (!inputs.every((t) => isMovable(t) && t.dtype === dtype) || isSmall(util.sizeFromShape(shape)))
    return undefined;
  const parts = inputs.filter((t) => size(t) > 0);
  if (parts.length < 2 || parts.length > MAX_CONCAT) return undefined;
  const outer = util.sizeFromShape(shape.slice(0, axis));
  if (outer === 1) {
    const { tensor, values } = backend.allocate(shape, dtype as NativeDType);
    let offset = 0;
    for (const part of parts) {
      values.set(backend.values(part), offset);
      offset += size(part);
    }
    return tensor;
  }
  const p = program(`Concat ${parts.length} ${dtype}`, (g) => {
    const type = stored(parts[0]!);
    g.output(
      g.op(
        "Concat",
        parts.map(() => g.input(type)),
        { axis: 1 },
      ),
      type,
    );
  });
  const views = parts.map((part) => backend.view(part, [outer, size(part) / outer]));
  return backend.run1(p, views, {
    shape,
    dtype: dtype as NativeDType,
    dims: [outer, util.sizeFromShape(shape) / outer],
  });
}

function pack(
  backend: OnnxBackend,
  inputs: readonly TensorInfo[],
  axisOrNegative: number,
): TensorInfo | undefined {
  const first = inputs[0]!;
  if (!inputs.every((t) => t.dtype === first.dtype && util.arraysEqual(t.shape, first.shape)))
    return undefined;
  const axis = axisOrNegative < 0 ? axisOrNegative + first.shape.length + 1 : axisOrNegative;
  const shape = [...first.shape.slice(0, axis), 1, ...first.shape.slice(axis)];
  return concat(
    backend,
    inputs.map((t) => ({ ...t, shape })),
    axis,
  );
}

/** A view of `x` where the slice is one piece, else a copy. */
function slice(
  backend: OnnxBackend,
  x: TensorInfo,
  begin: readonly number[],
  shape: readonly number[],
): TensorInfo | undefined {
  if (util.sizeFromShape([...shape]) === 0) return undefined;
  if (!slice_util.isSliceContinous(x.shape, [...begin], [...shape])) {
    if (isSmall(util.sizeFromShape([...shape]))) return undefined;
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
  const numElements = util.sizeFromShape(info.finalShapeSparse);
  if (info.isIdentity || info.sliceDim0 || info.isSimpleSlice || isSmall(numElements)) return undefined;
  const part = sliceGraph(backend, x, info.begin, info.finalShapeSparse, info.strides);
  return { ...part, shape: info.finalShape };
}

function gather(
  backend: OnnxBackend,
  x: TensorInfo,
  indices: TensorInfo,
  { axis: axisOrNegative, batchDims }: { axis: number; batchDims: number },
): TensorInfo | undefined {
  if (!isMovable(x) || indices.dtype !== "int32" || (batchDims ?? 0) !== 0) return undefined;
  const axis = util.parseAxisParam(axisOrNegative, x.shape)[0]!;
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const numElements = util.sizeFromShape(shape);
  if (numElements === 0 || isSmall(numElements)) return undefined;
  const count = size(indices);
  const wanted = backend.values(indices);
  const numRows = x.shape[axis]!;
  // ONNX counts negative indices from the end; tfjs refuses them, and the CPU kernel words the refusal.
  for (let i = 0; i < count; i++) if (!(wanted[i]! >= 0 && wanted[i]! < numRows)) return undefined;
  const p = movement("GatherV2", x, (g, value) => g.op("Gather", [value, g.input("int32")], { axis: 1 }));
  const outer = util.sizeFromShape(x.shape.slice(0, axis));
  const inner = util.sizeFromShape(x.shape.slice(axis + 1));
  const inputs = [backend.view(x, [outer, numRows, inner]), backend.view(indices, [count])];
  return backend.run1(p, inputs, { shape, dtype: x.dtype as NativeDType, dims: [outer, count, inner] });
}

import { backend_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { NativeDType, OnnxBackend } from "../onnx-backend.js";
import { program } from "../runtime/program.js";
import { isMovable, movement, NOT_MOVABLE, size, stored } from "./move-values.js";
import { isSmall, nativeKernel, type NativeKernel } from "./native-kernel.js";
import { integers } from "./reduction.js";

/** Kernels that order values anew, join, repeat or gather them. */
export const movementKernels: readonly NativeKernel[] = [
  nativeKernel<{ x: TensorInfo }, { perm: number[] }>(
    "Transpose",
    "graph",
    ({ inputs: { x }, attrs: { perm }, backend }) =>
      isMovable(x) && !isSmall(size(x)) ? transpose(backend, x, perm) : undefined,
    NOT_MOVABLE,
  ),
  nativeKernel<TensorInfo[], { axis: number }>(
    "Concat",
    "graph",
    ({ inputs, attrs, backend }) => concat(backend, inputs, attrs.axis),
    NOT_MOVABLE,
  ),
  nativeKernel<TensorInfo[], { axis: number }>(
    "Pack",
    "graph",
    ({ inputs, attrs, backend }) => pack(backend, inputs, attrs.axis),
    NOT_MOVABLE,
  ),
  nativeKernel<{ x: TensorInfo; indices: TensorInfo }, { axis: number; batchDims: number }>(
    "GatherV2",
    "graph",
    ({ inputs: { x, indices }, attrs, backend }) => gather(backend, x, indices, attrs),
    `${NOT_MOVABLE}, batchDims`,
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
    NOT_MOVABLE,
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
    NOT_MOVABLE,
  ),
];

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
  if (numElements === 0 || isSmall(Math.max(numElements, size(x)))) return undefined;
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

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { NativeArray, OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder } from "./graph-builder.js";
import { program, type Program, type TensorView } from "./program.js";

/**
 * Elements of one tile, 2 MiB. The values between the operations of a graph then take a fixed amount of memory whatever
 * the number of rows, and stay in the last cache; smaller tiles would stay in the first ones, but every operation wakes
 * the other threads. The importance pass of a 135M model takes 7 % longer with half, 11 % with a quarter, and no less
 * with twice as many (2 cores, 32 MiB of cache).
 */
const TILE_ELEMENTS = 1 << 19;

/** A tensor or result of which a tile takes some rows; `row` is the shape of one of them. */
export interface RowValues {
  readonly data: NativeArray;
  readonly row: readonly number[];
}

/** A tensor seen as rows of shape `row`. */
export function rowsOf(backend: OnnxBackend, tensor: TensorInfo, row: readonly number[]): RowValues {
  return { data: backend.values(tensor), row };
}

/** A new tensor to be filled row by row. */
export function newRows(
  backend: OnnxBackend,
  shape: readonly number[],
  row: readonly number[],
): RowValues & { readonly tensor: TensorInfo } {
  const { tensor, values } = backend.allocate(shape, "float32");
  return { tensor, data: values, row };
}

/** A program for {@link runByRows}. */
export function tileProgram(name: string, build: (graph: GraphBuilder) => void): Program {
  return program(name, build, { keepScratch: true });
}

/** A number as an input of a program. */
export function scalar(value: number): TensorView {
  return { data: Float32Array.of(value), dims: [] };
}

/**
 * Runs a program whose rows do not depend on each other, some rows at a time: first the `inputs` by rows, then
 * `shared` as they are.
 */
export function runByRows(
  program: Program,
  numRows: number,
  inputs: readonly RowValues[],
  shared: readonly TensorView[],
  outputs: readonly RowValues[],
): void {
  const widest = Math.max(1, ...inputs.map(({ row }) => row.reduce((product, d) => product * d, 1)));
  const rowsPerTile = Math.max(1, Math.floor(TILE_ELEMENTS / widest));
  for (let start = 0; start < numRows; start += rowsPerTile) {
    const end = Math.min(start + rowsPerTile, numRows);
    const tile = (values: RowValues): TensorView => {
      const width = values.row.reduce((product, d) => product * d, 1);
      return { data: values.data.subarray(start * width, end * width), dims: [end - start, ...values.row] };
    };
    program.run([...inputs.map(tile), ...shared], outputs.map(tile));
  }
}

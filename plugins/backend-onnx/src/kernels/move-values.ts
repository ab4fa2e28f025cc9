import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";
import { type Program, program } from "../runtime/program.js";

/** What the kernels that move values leave to tfjs's CPU backend, for the documentation. */
export const NOT_MOVABLE = "strings and complex numbers";

/** How many elements a tensor has. */
export function size(x: TensorInfo): number {
  return util.sizeFromShape(x.shape);
}

/** Whether a tensor's values all take the same number of bytes in one typed array. */
export function isMovable(x: TensorInfo): boolean {
  return x.dtype === "float32" || x.dtype === "int32" || x.dtype === "bool";
}

/** A bool is moved as the byte it is stored in. */
export function stored(x: TensorInfo): "float32" | "int32" | "uint8" {
  return x.dtype === "bool" ? "uint8" : (x.dtype as "float32" | "int32");
}

/** A program which moves values of the dtype of `x`. */
export function movement(
  name: string,
  x: TensorInfo,
  build: (g: GraphBuilder, x: GraphValue) => GraphValue,
): Program {
  return program(`${name} ${x.dtype}`, (g) => {
    const type = stored(x);
    g.output(build(g, g.input(type)), type);
  });
}

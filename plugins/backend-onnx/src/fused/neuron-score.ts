import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import type { GraphValue } from "../runtime/graph-builder.js";
import { program, type Program } from "../runtime/program.js";
import { scalar } from "../runtime/row-tiles.js";

/**
 * Neurons of a tile, where the matrices are large. The gradients are never whole in memory; and ONNX Runtime multiplies
 * fastest into a result of about this many rows, of which the columns that it works on at a time then stay in a cache. At
 * 512 tokens, H = 2048 and F = 8192, 128 rows take 15 % longer, and 768 rows 4 %.
 */
const TILE_NEURONS = 512;

/**
 * Up to so many values, a matrix is one tile, of which no columns are cut out. Cutting costs as many bytes for every H,
 * the products less for a small one: at 1024 tokens, H = 576 and F = 1536, three tiles take 40 % longer than one.
 */
const WHOLE_ELEMENTS = 1 << 20;

type Inputs = Record<"x" | "activation" | "gateGrad" | "upGrad" | "dy" | "gate" | "up" | "down", TensorInfo>;

/** `mean_h |down dDown + up dUp + gate dGate|` of every neuron, tile of neurons by tile. */
export const neuronScoreKernel = nativeKernel<Inputs, unknown>(
  "SdmNeuronScore",
  "graph",
  ({ inputs, backend }) => {
    const [F, H] = inputs.gate.shape as [number, number];
    const isWhole = F * H <= WHOLE_ELEMENTS;
    const tile = isWhole ? F : TILE_NEURONS;
    const p = scoreProgram(isWhole);
    const { tensor, values } = backend.allocate([F], "float32");
    const { x, activation, gateGrad, upGrad, dy, gate, up, down } = inputs;
    const whole = [x, activation, gateGrad, upGrad, dy].map((t) => backend.view(t));
    for (let start = 0; start < F; start += tile) {
      const end = Math.min(start + tile, F);
      const rows = [gate, up].map((t) => ({
        data: backend.values(t).subarray(start * H, end * H),
        dims: [end - start, H],
      }));
      p.run(
        [
          ...whole,
          ...rows,
          backend.view(down),
          scalar(1 / H),
          ...(isWhole ? [] : [integers([start]), integers([end])]),
        ],
        [{ data: values.subarray(start, end), dims: [end - start] }],
      );
    }
    return tensor;
  },
);

function scoreProgram(isWhole: boolean): Program {
  return program(
    `SdmNeuronScore${isWhole ? " whole" : ""}`,
    (g) => {
      const [x, activation, gateGrad, upGrad, dy, gate, up, down, inverseWidth] = Array.from(
        { length: 9 },
        () => g.input("float32"),
      ) as [string, string, string, string, string, string, string, string, string];
      const [start, end] = isWhole ? [] : [g.input("int64"), g.input("int64")];
      const columns = (value: GraphValue) =>
        start === undefined || end === undefined ? value : g.op("Slice", [value, start, end, g.integers(1)]);
      const gradient = (left: GraphValue, right: GraphValue) =>
        g.matMul(columns(left), right, { transposeA: true });
      // [N, f]^T [N, H] -> [f, H], times the weights of the same neurons
      const downTerm = g.op("Mul", [
        gradient(activation, dy),
        g.op("Transpose", [columns(down)], { perm: [1, 0] }),
      ]);
      const upTerm = g.op("Mul", [gradient(upGrad, x), up]);
      const gateTerm = g.op("Mul", [gradient(gateGrad, x), gate]);
      const sum = g.op("Add", [g.op("Add", [downTerm, upTerm]), gateTerm]);
      const total = g.op("ReduceL1", [sum, g.integers(1)], { keepdims: 0 });
      g.output(g.op("Mul", [total, inverseWidth]), "float32");
    },
    { computeBound: true, keepScratch: true },
  );
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { integers } from "../kernels/reduction.js";
import { program } from "../runtime/program.js";
import { scalar } from "../runtime/row-tiles.js";

/**
 * Elements of a tile of one weight gradient: 1 MB, so that what is made of three of them stays in a cache. Faster than
 * the three whole gradients by a fifth at H = 2048, F = 8192, since those are never written to memory.
 */
const TILE_ELEMENTS = 1 << 18;

type Inputs = Record<"x" | "activation" | "gateGrad" | "upGrad" | "dy" | "gate" | "up" | "down", TensorInfo>;

/** `mean_h |down dDown + up dUp + gate dGate|` of every neuron, tile of neurons by tile. */
export const neuronScoreKernel = nativeKernel<Inputs, unknown>(
  "SdmNeuronScore",
  "graph",
  ({ inputs, backend }) => {
    const [F, H] = inputs.gate.shape as [number, number];
    const p = program(
      "SdmNeuronScore",
      (g) => {
        const [x, activation, gateGrad, upGrad, dy, gate, up, down] = Array.from({ length: 8 }, () =>
          g.input("float32"),
        ) as [string, string, string, string, string, string, string, string];
        const [start, end, inverseWidth] = [g.input("int64"), g.input("int64"), g.input("float32")];
        const columns = (value: string) => g.op("Slice", [value, start, end, g.integers(1)]);
        const gradient = (left: string, right: string) =>
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
    const { tensor, values } = backend.allocate([F], "float32");
    const { x, activation, gateGrad, upGrad, dy, gate, up, down } = inputs;
    const whole = [x, activation, gateGrad, upGrad, dy].map((t) => backend.view(t));
    const tile = Math.max(1, Math.floor(TILE_ELEMENTS / H));
    for (let start = 0; start < F; start += tile) {
      const end = Math.min(start + tile, F);
      const rows = [gate, up].map((t) => ({
        data: backend.values(t).subarray(start * H, end * H),
        dims: [end - start, H],
      }));
      p.run(
        [...whole, ...rows, backend.view(down), integers([start]), integers([end]), scalar(1 / H)],
        [{ data: values.subarray(start, end), dims: [end - start] }],
      );
    }
    return tensor;
  },
);

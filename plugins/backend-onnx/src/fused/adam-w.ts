import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import { newRows, rowsOf, runByRows, scalar, tileProgram } from "../runtime/row-tiles.js";

interface AdamWAttrs {
  gradientScale: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  decay: number;
  stepSize: number;
  rootCorrection: number;
}

/** A step of AdamW: one pass over the parameter, its gradient and its moments. */
export const adamWKernel = nativeKernel<
  { parameter: TensorInfo; gradient: TensorInfo; m: TensorInfo; v: TensorInfo },
  AdamWAttrs
>("SdmAdamW", "graph", ({ inputs, attrs, backend }) => {
  const { parameter, gradient, m, v } = inputs;
  const p = tileProgram("SdmAdamW", (g) => {
    const inputs = Array.from({ length: 12 }, () => g.input("float32"));
    const [weight, given, mean, square] = inputs as [string, string, string, string];
    const [scale, oneMinusBeta1, beta2, oneMinusBeta2] = inputs.slice(4) as [string, string, string, string];
    const [epsilon, decay, stepSize, rootCorrection] = inputs.slice(8) as [string, string, string, string];
    const grad = g.op("Mul", [given, scale]);
    const nextMean = g.op("Add", [mean, g.op("Mul", [g.op("Sub", [grad, mean]), oneMinusBeta1])]);
    const squared = g.op("Mul", [g.op("Mul", [grad, grad]), oneMinusBeta2]);
    const nextSquare = g.op("Add", [g.op("Mul", [square, beta2]), squared]);
    const root = g.op("Add", [g.op("Div", [g.op("Sqrt", [nextSquare]), rootCorrection]), epsilon]);
    const update = g.op("Mul", [g.op("Div", [nextMean, root]), stepSize]);
    g.output(g.op("Sub", [g.op("Mul", [weight, decay]), update]), "float32");
    g.output(nextMean, "float32");
    g.output(nextSquare, "float32");
  });
  const { gradientScale, beta1, beta2, epsilon, decay, stepSize, rootCorrection } = attrs;
  const numbers = [gradientScale, 1 - beta1, beta2, 1 - beta2, epsilon, decay, stepSize, rootCorrection];
  const results = [0, 1, 2].map(() => newRows(backend, parameter.shape, []));
  const size = util.sizeFromShape(parameter.shape);
  const rows = [parameter, gradient, m, v].map((t) => rowsOf(backend, t, []));
  runByRows(p, size, rows, numbers.map(scalar), results);
  return results.map(({ tensor }) => tensor);
});

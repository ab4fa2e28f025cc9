import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";

import { newRows, rowsOf, runByRows, tileProgram } from "../runtime/row-tiles.js";

interface Activation {
  value(g: GraphBuilder, x: GraphValue): GraphValue;
  /** Value and derivative. */
  both(g: GraphBuilder, x: GraphValue): [value: GraphValue, derivative: GraphValue];
}

/** By the names of `hidden_act`. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: {
    value: (g, x) => g.op("Div", [x, onePlusExpOfNegative(g, x)]),
    both: (g, x) => {
      const s = g.op("Reciprocal", [onePlusExpOfNegative(g, x)]);
      const value = g.op("Mul", [x, s]);
      const bend = g.op("Mul", [value, g.op("Sub", [g.scalar(1), s])]);
      return [value, g.op("Add", [s, bend])]; // s + x s (1 - s)
    },
  },
  gelu: {
    value: (g, x) => g.op("Mul", [x, normalCdf(g, x)]),
    both: (g, x) => {
      const cdf = normalCdf(g, x);
      const exponent = g.op("Mul", [g.op("Mul", [x, x]), g.scalar(-0.5)]);
      const density = g.op("Mul", [g.op("Exp", [exponent]), g.scalar(1 / Math.sqrt(2 * Math.PI))]);
      return [g.op("Mul", [x, cdf]), g.op("Add", [cdf, g.op("Mul", [x, density])])];
    },
  },
  gelu_pytorch_tanh: {
    value: (g, x) => g.op("Mul", [half(g, x), g.op("Add", [tanhTerm(g, x), g.scalar(1)])]),
    both: (g, x) => {
      const t = tanhTerm(g, x);
      const onePlus = g.op("Add", [t, g.scalar(1)]);
      const cubic = g.op("Mul", [g.op("Mul", [x, x]), g.scalar(3 * GELU_CUBIC)]);
      const slope = g.op("Mul", [g.op("Add", [cubic, g.scalar(1)]), g.scalar(SQRT_2_OVER_PI)]);
      const flat = g.op("Sub", [g.scalar(1), g.op("Mul", [t, t])]);
      const bend = g.op("Mul", [g.op("Mul", [x, flat]), slope]);
      return [g.op("Mul", [half(g, x), onePlus]), half(g, g.op("Add", [onePlus, bend]))];
    },
  },
  relu: {
    value: (g, x) => g.op("Max", [x, g.scalar(0)]),
    both: (g, x) => [g.op("Max", [x, g.scalar(0)]), g.cast(g.op("Greater", [x, g.scalar(0)]), "float32")],
  },
};

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** `a = act(gate) up mask`. */
export const gatedActivationKernel = nativeKernel<
  { gate: TensorInfo; up: TensorInfo; mask?: TensorInfo },
  { activation: string }
>("SdmGatedActivation", "graph", ({ inputs: { gate, up, mask }, attrs: { activation }, backend }) => {
  const { value } = activationNamed(activation);
  const F = gate.shape.at(-1)!;
  const p = tileProgram(`SdmGatedActivation ${activation}${mask ? " mask" : ""}`, (g) => {
    const x = g.input("float32");
    const a = g.op("Mul", [value(g, x), g.input("float32")]);
    g.output(mask ? g.op("Mul", [a, g.input("float32")]) : a, "float32");
  });
  const a = newRows(backend, gate.shape, [F]);
  const shared = mask ? [backend.view(mask)] : [];
  runByRows(p, rowCount(gate), [rowsOf(backend, gate, [F]), rowsOf(backend, up, [F])], shared, [a]);
  return a.tensor;
});

/** `dGate = d mask up act'(gate)` and `dUp = d mask act(gate)`. */
export const gatedActivationBackwardKernel = nativeKernel<
  { gate: TensorInfo; up: TensorInfo; dActivation: TensorInfo; mask?: TensorInfo },
  { activation: string }
>("SdmGatedActivationBackward", "graph", ({ inputs, attrs: { activation }, backend }) => {
  const { gate, up, dActivation, mask } = inputs;
  const { both } = activationNamed(activation);
  const F = gate.shape.at(-1)!;
  const p = tileProgram(`SdmGatedActivationBackward ${activation}${mask ? " mask" : ""}`, (g) => {
    const x = g.input("float32");
    const u = g.input("float32");
    const given = g.input("float32");
    const d = mask ? g.op("Mul", [given, g.input("float32")]) : given;
    const [value, derivative] = both(g, x);
    g.output(g.op("Mul", [g.op("Mul", [d, u]), derivative]), "float32");
    g.output(g.op("Mul", [d, value]), "float32");
  });
  const dGate = newRows(backend, gate.shape, [F]);
  const dUp = newRows(backend, gate.shape, [F]);
  const inputsByRow = [gate, up, dActivation].map((t) => rowsOf(backend, t, [F]));
  runByRows(p, rowCount(gate), inputsByRow, mask ? [backend.view(mask)] : [], [dGate, dUp]);
  return [dGate.tensor, dUp.tensor];
});

function activationNamed(name: string): Activation {
  const activation = ACTIVATIONS[name];
  if (activation) return activation;
  throw new Error(`SdmGatedActivation: expected one of ${Object.keys(ACTIVATIONS).join(", ")}, got ${name}.`);
}

function rowCount(x: TensorInfo): number {
  return util.sizeFromShape(x.shape.slice(0, -1));
}

function onePlusExpOfNegative(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("Add", [g.op("Exp", [g.op("Neg", [x])]), g.scalar(1)]);
}

function normalCdf(g: GraphBuilder, x: GraphValue): GraphValue {
  return half(g, g.op("Add", [g.op("Erf", [g.op("Mul", [x, g.scalar(Math.SQRT1_2)])]), g.scalar(1)]));
}

function half(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("Mul", [x, g.scalar(0.5)]);
}

/** `tanh(sqrt(2 / pi) (x + 0.044715 x^3))`. */
function tanhTerm(g: GraphBuilder, x: GraphValue): GraphValue {
  const cube = g.op("Mul", [g.op("Mul", [x, x]), x]);
  const argument = g.op("Add", [x, g.op("Mul", [cube, g.scalar(GELU_CUBIC)])]);
  return g.op("Tanh", [g.op("Mul", [argument, g.scalar(SQRT_2_OVER_PI)])]);
}

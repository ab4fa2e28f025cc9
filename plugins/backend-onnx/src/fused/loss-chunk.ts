import type { TensorInfo } from "@tensorflow/tfjs-core";
import { nativeKernel } from "../kernels/native-kernel.js";
import type { OnnxBackend } from "../onnx-backend.js";
import type { GraphBuilder, GraphValue } from "../runtime/graph-builder.js";

import { newRows, type RowValues, rowsOf, runByRows, scalar, tileProgram } from "../runtime/row-tiles.js";

/** Takes a chunk of logits into each row's running maximum, sum of exponentials and, if wanted, weighted sum. */
export const logSumExpChunkKernel = nativeKernel<
  { logits: TensorInfo; max: TensorInfo; sum: TensorInfo; weighted?: TensorInfo },
  { inverseTemperature: number }
>("SdmLogSumExpChunk", "graph", ({ inputs: { logits, max, sum, weighted }, attrs, backend }) => {
  const [N, C] = logits.shape as [number, number];
  const isScaled = attrs.inverseTemperature !== 1;
  const p = tileProgram(
    `SdmLogSumExpChunk${weighted ? " weighted" : ""}${isScaled ? " scaled" : ""}`,
    (g) => {
      const raw = g.input("float32");
      const before = g.input("float32"); // [N, 1], as all that follow
      const sumBefore = g.input("float32");
      const weightedBefore = weighted ? g.input("float32") : undefined;
      const z = isScaled ? g.op("Mul", [raw, g.input("float32")]) : raw;
      const after = g.op("Max", [before, g.op("ReduceMax", [z, g.integers(1)], { keepdims: 1 })]);
      const change = g.op("Sub", [before, after]);
      const scale = g.op("Exp", [change]);
      const shifted = g.op("Sub", [z, after]);
      const e = g.op("Exp", [shifted]);
      g.output(after, "float32");
      g.output(g.op("Add", [g.op("Mul", [sumBefore, scale]), rowSum(g, e)]), "float32");
      if (weightedBefore) {
        const moved = g.op("Mul", [scale, g.op("Add", [weightedBefore, g.op("Mul", [sumBefore, change])])]);
        g.output(g.op("Add", [moved, rowSum(g, g.op("Mul", [e, shifted]))]), "float32");
      }
    },
  );
  const statistics = [max, sum, ...(weighted ? [weighted] : [])];
  const results = statistics.map(() => newRows(backend, [N], [1]));
  const inputs = [rowsOf(backend, logits, [C]), ...statistics.map((t) => rowsOf(backend, t, [1]))];
  runByRows(p, N, inputs, isScaled ? [scalar(attrs.inverseTemperature)] : [], results);
  return results.map(({ tensor }) => tensor);
});

type LossInputs = Record<"logits" | "max" | "sum" | "labelWeight", TensorInfo> &
  Partial<
    Record<"labels" | "teacherLogits" | "teacherMax" | "teacherSum" | "teacherWeight" | "entropy", TensorInfo>
  >;

interface LossAttrs {
  kind: "cross-entropy" | "blend" | "entropy";
  inverseTemperature: number;
}

/** Gradient of the loss by a chunk of logits and, for a blend, the chunk's share of each row's KL divergence. */
export const lossGradientChunkKernel = nativeKernel<LossInputs, LossAttrs>(
  "SdmLossGradientChunk",
  "graph",
  ({ inputs, attrs: { kind, inverseTemperature }, backend }) => {
    const [N, C] = inputs.logits.shape as [number, number];
    const dz = newRows(backend, [N, C], [C]);
    const whole = (t: TensorInfo | undefined) => rowsOf(backend, t!, [C]);
    const perRow = (t: TensorInfo | undefined) => rowsOf(backend, t!, [1]);
    const common = [whole(inputs.logits), perRow(inputs.max), perRow(inputs.sum), perRow(inputs.labelWeight)];
    if (kind === "entropy") {
      runByRows(entropyProgram(), N, [...common, perRow(inputs.entropy)], [], [dz]);
      return [dz.tensor];
    }
    if (kind === "cross-entropy") {
      runByRows(crossEntropyProgram(), N, common, [], [dz]);
      subtractOneHot(backend, dz, inputs, C);
      return [dz.tensor];
    }
    const kd = newRows(backend, [N], [1]);
    const { teacherLogits, teacherMax, teacherSum, teacherWeight } = inputs;
    const teacher = [whole(teacherLogits), perRow(teacherMax), perRow(teacherSum), perRow(teacherWeight)];
    runByRows(blendProgram(), N, [...common, ...teacher], [scalar(inverseTemperature)], [dz, kd]);
    subtractOneHot(backend, dz, inputs, C);
    return [dz.tensor, kd.tensor];
  },
);

/** Takes each label's weight off its place: `dz - labelWeight * onehot(labels)`. */
function subtractOneHot(
  backend: OnnxBackend,
  dz: RowValues,
  { labels, labelWeight }: LossInputs,
  C: number,
): void {
  const weights = backend.values(labelWeight);
  backend.values(labels!).forEach((label: number, n: number) => {
    if (label >= 0 && label < C) dz.data[n * C + label]! -= weights[n]!;
  });
}

/** `labelWeight q`, with `q = exp(logits - max) / sum`. */
function crossEntropyProgram() {
  return tileProgram("SdmLossGradientChunk cross-entropy", (g) => {
    const [z, max, sum, weight] = floats(g, 4) as [string, string, string, string];
    const e = g.op("Exp", [g.op("Sub", [z, max])]);
    g.output(g.op("Mul", [e, g.op("Div", [weight, sum])]), "float32");
  });
}

/** `-labelWeight q (log q + entropy)`. */
function entropyProgram() {
  return tileProgram("SdmLossGradientChunk entropy", (g) => {
    const [z, max, sum, weight, entropy] = floats(g, 5) as [string, string, string, string, string];
    const shifted = g.op("Sub", [z, max]);
    const q = g.op("Mul", [g.op("Exp", [shifted]), g.op("Div", [g.op("Neg", [weight]), sum])]);
    const excess = g.op("Add", [shifted, g.op("Sub", [entropy, g.op("Log", [sum])])]);
    g.output(g.op("Mul", [q, excess]), "float32");
  });
}

/** `labelWeight q + teacherWeight (q - p)` and `sum p (log p - log q)`. */
function blendProgram() {
  return tileProgram("SdmLossGradientChunk blend", (g) => {
    const [z, max, sum, weight] = floats(g, 4) as [string, string, string, string];
    const [u, teacherMax, teacherSum, teacherWeight] = floats(g, 4) as [string, string, string, string];
    const inverseTemperature = g.input("float32");
    const shifted = g.op("Sub", [z, max]);
    const teacherShifted = g.op("Sub", [g.op("Mul", [u, inverseTemperature]), teacherMax]);
    const q = g.op("Div", [g.op("Exp", [shifted]), sum]);
    const p = g.op("Div", [g.op("Exp", [teacherShifted]), teacherSum]);
    const towardsTeacher = g.op("Mul", [g.op("Sub", [q, p]), teacherWeight]);
    g.output(g.op("Add", [g.op("Mul", [q, weight]), towardsTeacher]), "float32");
    const offset = g.op("Sub", [g.op("Log", [sum]), g.op("Log", [teacherSum])]); // [N, 1]
    const logRatio = g.op("Add", [g.op("Sub", [teacherShifted, shifted]), offset]);
    g.output(rowSum(g, g.op("Mul", [p, logRatio])), "float32");
  });
}

function floats(g: GraphBuilder, count: number): GraphValue[] {
  return Array.from({ length: count }, () => g.input("float32"));
}

function rowSum(g: GraphBuilder, x: GraphValue): GraphValue {
  return g.op("ReduceSum", [x, g.integers(1)], { keepdims: 1 });
}

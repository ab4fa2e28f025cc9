import { afterEach, describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, useCpuBackend } from "../test/cpu-backend.js";
import { FUSED_KERNEL_NAMES, type FusedKernelName, runFused } from "./fused-kernels.js";
import { causalAttention, causalAttentionBackward } from "./ops/causal-attention.js";
import { gatedMlp, gatedMlpBackward, gatedMlpSaving } from "./ops/gated-mlp.js";
import { languageModelLoss } from "./ops/language-model-loss.js";
import type { LossSpec } from "./ops/loss-spec.js";
import { rmsNorm, rmsNormBackward } from "./ops/rms-norm.js";
import { rotary, rotaryBackward } from "./ops/rotary.js";
import { sdmNeuronScore } from "./ops/sdm-neuron-score.js";

useCpuBackend();

interface Call {
  inputs: string[];
  attrs: unknown;
}

/** Registers a kernel on the active backend that notes its calls and returns ones of the given shapes. */
function registerRecorder(kernelName: FusedKernelName, shapes: number[][]): Call[] {
  const calls: Call[] = [];
  tf.registerKernel({
    kernelName,
    backendName: "cpu",
    kernelFunc: ({ inputs, attrs }) => {
      calls.push({ inputs: Object.keys(inputs).sort(), attrs });
      const out = shapes.map((shape) => tf.ones(shape));
      return out.length === 1 && !kernelName.endsWith("Chunk") ? out[0]! : out;
    },
  });
  return calls;
}

afterEach(() => {
  for (const name of FUSED_KERNEL_NAMES) if (tf.getKernel(name, "cpu")) tf.unregisterKernel(name, "cpu");
});

describe("runFused", () => {
  it("is undefined when the backend has no such kernel", () => {
    expect(runFused("SdmRmsNorm", { x: tf.ones([1, 2]), weight: tf.ones([2]) }, { eps: 0 })).toBeUndefined();
  });
});

describe("the operations", () => {
  const matrix = (rows: number, columns: number): tf.Tensor2D => tf.ones([rows, columns]);
  const heads = (count: number): tf.Tensor4D => tf.ones([1, 2, count, 4]);

  it("run rmsNorm's kernels", async () => {
    const forward = registerRecorder("SdmRmsNorm", [[2, 3]]);
    const backward = registerRecorder("SdmRmsNormBackward", [[2, 3]]);
    const [x, weight] = [matrix(2, 3), tf.ones<tf.Rank.R1>([3])];
    await expectNoLeak(() => {
      expectValues(rmsNorm(x, weight, 0.5), [1, 1, 1, 1, 1, 1]);
      tf.dispose(rmsNormBackward(x, weight, 0.5, x));
    });
    expect(forward).toEqual([{ inputs: ["weight", "x"], attrs: { eps: 0.5 } }]);
    expect(backward).toEqual([{ inputs: ["dy", "weight", "x"], attrs: { eps: 0.5 } }]);
  });

  it("run rotary's kernel both ways", () => {
    const calls = registerRecorder("SdmRotary", [[1, 2, 3, 4]]);
    const tables = { cos: matrix(2, 2), sin: matrix(2, 2) };
    rotary(heads(3), tables);
    rotaryBackward(heads(3), tables);
    expect(calls.map(({ attrs }) => attrs)).toEqual([{ inverse: false }, { inverse: true }]);
  });

  it("run the attention's kernels, with a bias only if there is one", () => {
    const forward = registerRecorder("SdmCausalAttention", [[1, 2, 4, 4]]);
    const backward = registerRecorder("SdmCausalAttentionBackward", [[1, 2, 4, 4], [1, 2, 2, 4], [1, 2, 2, 4]]); // prettier-ignore
    const [q, k, v, bias] = [heads(4), heads(2), heads(2), tf.zeros<tf.Rank.R4>([1, 1, 1, 2])];
    causalAttention(q, k, v, { scale: 0.5 });
    causalAttention(q, k, v, { scale: 0.5, bias });
    const { dk } = causalAttentionBackward(q, k, v, q, q, { scale: 0.5, bias });
    expect(dk.shape).toEqual([1, 2, 2, 4]);
    expect(forward.map(({ inputs }) => inputs)).toEqual([["k", "q", "v"], ["bias", "k", "q", "v"]]); // prettier-ignore
    expect(backward).toEqual([{ inputs: ["bias", "dOut", "k", "out", "q", "v"], attrs: { scale: 0.5 } }]);
  });

  it("run the gated MLP's kernels, with a mask only if there is one", () => {
    const forward = registerRecorder("SdmGatedActivation", [[2, 5]]);
    const backward = registerRecorder("SdmGatedActivationBackward", [[2, 5], [2, 5]]); // prettier-ignore
    const score = registerRecorder("SdmNeuronScore", [[5]]);
    const weights = { gate: matrix(5, 3), up: matrix(5, 3), down: matrix(3, 5) };
    const x = matrix(2, 3);
    gatedMlp(x, weights, { mask: tf.ones([5]), activation: "relu" });
    const { saved } = gatedMlpSaving(x, weights);
    const { gateGrad, upGrad } = gatedMlpBackward(x, weights, saved, x);
    sdmNeuronScore({ x, activation: saved.activation, gateGrad, upGrad, dy: x, ...weights });
    expect(forward).toEqual([
      { inputs: ["gate", "mask", "up"], attrs: { activation: "relu" } },
      { inputs: ["gate", "up"], attrs: { activation: "silu" } },
    ]);
    expect(backward).toEqual([{ inputs: ["dActivation", "gate", "up"], attrs: { activation: "silu" } }]);
    expect(score[0]!.inputs).toEqual(["activation", "down", "dy", "gate", "gateGrad", "up", "upGrad", "x"]);
  });

  it.each<[LossSpec, string[], string[]]>([
    [{ kind: "cross-entropy" }, ["logits", "max", "sum"], ["labelWeight", "labels", "logits", "max", "sum"]],
    [
      { kind: "entropy" },
      ["logits", "max", "sum", "weighted"],
      ["entropy", "labelWeight", "logits", "max", "sum"],
    ],
    [
      { kind: "blend", alpha: 0.5, tau: 0.2 },
      ["logits", "max", "sum"],
      [
        "labelWeight",
        "labels",
        "logits",
        "max",
        "sum",
        "teacherLogits",
        "teacherMax",
        "teacherSum",
        "teacherWeight",
      ],
    ],
  ])("run the loss's kernels for %j", async (loss, firstInputs, secondInputs) => {
    const first = registerRecorder("SdmLogSumExpChunk", firstInputs.includes("weighted") ? [[2], [2], [2]] : [[2], [2]]); // prettier-ignore
    const second = registerRecorder("SdmLossGradientChunk", loss.kind === "blend" ? [[2, 4], [2]] : [[2, 4]]); // prettier-ignore
    const head = { vocabSize: 8, chunkSize: 4, chunk: () => matrix(4, 3) };
    const hidden = matrix(2, 3);
    await expectNoLeak(async () => {
      const result = await languageModelLoss({
        hidden,
        head,
        teacher: { hidden, head },
        ids: Int32Array.of(0, 1),
        batch: 1,
        loss,
        needGradient: true,
      });
      expectValues(result.dHidden!, new Float64Array(6).fill(8)); // two chunks of four ones each
    });
    const chunks = loss.kind === "blend" ? 4 : 2; // the teacher's too
    expect(first.map(({ inputs }) => inputs)).toEqual(Array(chunks).fill(firstInputs));
    const inverseTemperature = loss.kind === "blend" ? 5 : 1;
    expect(second).toEqual(
      Array(2).fill({ inputs: secondInputs, attrs: { kind: loss.kind, inverseTemperature } }),
    );
  });
});

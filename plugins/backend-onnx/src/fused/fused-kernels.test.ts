import { Rng } from "@sdmprune/core";
import { FUSED_KERNEL_NAMES, type FusedKernelName, type FusedKernels, runFused, tf } from "@sdmprune/tensor";
import {
  adamW,
  adaptedLinear,
  adaptedLinearBackward,
  causalAttention,
  causalAttentionBackward,
  dropoutMask,
  filledTensor,
  gatedMlpBackward,
  gatedMlpSaving,
  type LinearAdapter,
  rmsNorm,
  rmsNormBackward,
  rotary,
  rotaryBackward,
  rotaryFrequencies,
  rotaryTables,
  sdmNeuronScore,
  segmentedAttention,
  softmaxSums,
} from "@sdmprune/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { activeBackend } from "../register.js";
import { register } from "../tfjs.js";
import { fusedKernels } from "./fused-kernels.js";

beforeAll(async () => {
  await register();
});

type Arrays = Record<string, Float32Array>;

/**
 * Runs `body` with the fused kernels and, as reference, as the composition of plain operations, with equal random
 * inputs. The reference runs on tfjs's CPU backend, or on this one's plain kernels where that takes seconds.
 */
async function bothWays(
  shapes: Record<string, readonly number[]>,
  body: (t: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
  referenceBackend: "cpu" | "onnx" = "cpu",
): Promise<{ reference: Arrays; fused: Arrays }> {
  const results = {} as { reference: Arrays; fused: Arrays };
  const registered = FUSED_KERNEL_NAMES.map((name) => tf.getKernel(name, "onnx"));
  for (const way of ["reference", "fused"] as const) {
    await tf.setBackend(way === "fused" ? "onnx" : referenceBackend);
    if (way === "reference") for (const { kernelName } of registered) tf.unregisterKernel(kernelName, "onnx");
    else registered.forEach(tf.registerKernel);
    const rng = new Rng(7, "fused kernels");
    const inputs = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => {
        const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => rng.normal());
        return [name, tf.tensor(values, [...shape])];
      }),
    );
    const before = tf.memory().numTensors;
    const outputs = body(inputs);
    expect(tf.memory().numTensors - before).toBe(Object.keys(outputs).length);
    results[way] = Object.fromEntries(
      Object.entries(outputs).map(([k, t]) => [k, t.dataSync() as Float32Array]),
    );
    tf.dispose([inputs, outputs]);
  }
  return results;
}

function expectClose({ reference, fused }: { reference: Arrays; fused: Arrays }, tolerance = 2e-5): void {
  for (const [name, expected] of Object.entries(reference)) {
    const actual = fused[name]!;
    expect(actual.length).toBe(expected.length);
    const scale = expected.reduce((largest, x) => Math.max(largest, Math.abs(x)), 1e-6);
    let worst = 0;
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs(actual[i]! - expected[i]!);
      worst = Number.isNaN(difference) ? NaN : Math.max(worst, difference);
    }
    expect(worst / scale, name).toBeLessThan(tolerance);
  }
}

it("provides every kernel that @sdmprune/tensor asks for", () => {
  expect(fusedKernels.map(({ kernelName }) => kernelName).sort()).toEqual([...FUSED_KERNEL_NAMES].sort());
});

describe("normalisation and rotation", () => {
  it.each([
    [1, 3],
    [5, 17],
    [300, 577],
  ])("norms [%i, %i] as the composition does", async (N, H) => {
    const both = await bothWays({ x: [N, H], weight: [H], dy: [N, H] }, ({ x, weight, dy }) => ({
      y: rmsNorm(x as tf.Tensor2D, weight as tf.Tensor1D, 1e-5),
      dx: rmsNormBackward(x as tf.Tensor2D, weight as tf.Tensor1D, 1e-5, dy as tf.Tensor2D),
    }));
    expectClose(both);
  });

  it.each([
    ["whole heads", 2, 7, 3, 8, 1, false],
    ["half of each head", 1, 5, 2, 12, 0.5, false],
    ["positions per batch row", 3, 4, 2, 6, 1, true],
  ])("rotates %s", async (_, B, T, heads, D, partialFactor, perRow) => {
    const frequencies = rotaryFrequencies({ headDim: D, theta: 10000, partialFactor });
    const both = await bothWays({ x: [B, T, heads, D] }, ({ x }) => {
      const positions = Array.from({ length: perRow ? B * T : T }, (_, i) => i * 3);
      const tables = rotaryTables(frequencies, positions, perRow ? B : undefined);
      const outputs = { y: rotary(x as tf.Tensor4D, tables), back: rotaryBackward(x as tf.Tensor4D, tables) };
      tf.dispose([tables.cos, tables.sin]);
      return outputs;
    });
    expectClose(both, 1e-6);
  });
});

describe("linear layers with adapters", () => {
  it.each([
    ["without dropout", 5, 12, 7, 3, undefined, false],
    ["with dropout, a bias and a sum", 300, 577, 130, 8, 0.1, true],
    ["with nearly everything dropped", 64, 96, 40, 1, 0.95, false],
    ["of one row", 1, 12, 7, 3, 0.5, true],
  ])("agree with the composition %s", async (_, N, I, O, r, rate, isWhole) => {
    const shapes = { x: [N, I], weight: [O, I], bias: [O], a: [r, I], b: [O, r], dy: [N, O], sum: [N, I] };
    const both = await bothWays(shapes, (t) => {
      const [x, weight, dy] = [t.x, t.weight, t.dy] as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
      const adapter = {
        ...{ a: t.a as tf.Tensor2D, b: t.b as tf.Tensor2D, scaling: 0.5 },
        ...(rate !== undefined && { dropout: { rate, seed: 3, label: "layer" } }),
      };
      const [bias, sum] = isWhole ? [t.bias as tf.Tensor1D, t.sum as tf.Tensor2D] : [];
      const given = sum?.dataSync().slice();
      const y = adaptedLinear(x, weight, bias, adapter);
      const { dx, gradients } = adaptedLinearBackward(x, dy, weight, adapter, sum);
      expect(sum?.dataSync()).toEqual(given);
      return { y, dx, dA: gradients!.a, dB: gradients!.b };
    });
    expectClose(both);
  });

  it("give what is dropped the gradient of the layer alone, to the bit", async () => {
    await tf.setBackend("onnx");
    const random = (rows: number, columns: number) => tf.randomNormal([rows, columns], 0, 1, "float32", 5);
    const [x, weight, dy] = [random(40, 30), random(20, 30), random(40, 20)] as tf.Tensor2D[];
    const dropout = { rate: 0.3, seed: 1, label: "layer" };
    const adapter = { a: random(4, 30), b: random(20, 4), scaling: 2, dropout } as LinearAdapter;
    const plain = adaptedLinearBackward(x!, dy!, weight!, undefined).dx.dataSync();
    const adapted = adaptedLinearBackward(x!, dy!, weight!, adapter).dx.dataSync();
    const kept = dropoutMask([40, 30], dropout).dataSync();
    kept.forEach((isKept, i) => expect(adapted[i] === plain[i]).toBe(isKept === 0));
  });
});

it("takes a step of AdamW as the composition does", async () => {
  const shape = [300, 577];
  const both = await bothWays(
    { parameter: shape, gradient: shape, m: shape, root: shape },
    ({ parameter, gradient, m, root }) => {
      const v = tf.square(root!);
      const options = { learningRate: 1e-2, weightDecay: 0.05, step: 3, gradientScale: 0.7 };
      const next = adamW({ parameter: parameter!, m: m!, v }, gradient!, options);
      tf.dispose(v);
      return { ...next };
    },
  );
  expectClose(both, 1e-6);
});

describe("attention", () => {
  it.each([
    ["one head", 1, 5, 5, 1, 1, 4, undefined],
    ["grouped heads", 2, 7, 7, 6, 2, 5, undefined],
    ["keys of a cache in front", 2, 3, 9, 4, 4, 8, undefined],
    ["one query", 1, 1, 6, 3, 1, 4, undefined],
    ["a bias of [B, 1, 1, S]", 3, 6, 6, 4, 2, 4, [3, 1, 1, 6]],
    ["a bias of [1, Nq, T, S]", 2, 4, 6, 4, 2, 4, [1, 4, 4, 6]],
    ["several blocks of queries", 2, 700, 700, 6, 3, 8, undefined],
    ["more heads and keys than fit for 128 queries", 1, 130, 1100, 32, 4, 4, undefined],
    ["several blocks of queries and a bias", 1, 611, 700, 7, 1, 4, [1, 7, 611, 700]],
  ])("agrees with the composition for %s", async (_, B, T, S, Nq, Nkv, D, bias) => {
    const shapes = { q: [B, T, Nq, D], k: [B, S, Nkv, D], v: [B, S, Nkv, D], dOut: [B, T, Nq, D] };
    const both = await bothWays(
      { ...shapes, ...(bias && { bias }) },
      (inputs) => {
        const t = inputs as Record<string, tf.Tensor4D>;
        const options = { scale: 1 / Math.sqrt(D), bias: t.bias };
        const out = causalAttention(t.q!, t.k!, t.v!, options);
        return { out, ...causalAttentionBackward(t.q!, t.k!, t.v!, out, t.dOut!, options) };
      },
      T > 100 ? "onnx" : "cpu",
    );
    expectClose(both);
  });
});

describe("segmentedAttention", () => {
  it("agrees with the composition for continuations of shared contexts", async () => {
    const segments = [
      { length: 90 }, // two blocks of queries
      { length: 7, after: 0 },
      { length: 1, after: 0 },
      { length: 5, after: 1 },
      { length: 12 },
    ];
    const both = await bothWays({ q: [1, 115, 6, 4], k: [1, 115, 2, 4], v: [1, 115, 2, 4] }, (inputs) => {
      const t = inputs as Record<string, tf.Tensor4D>;
      return { out: segmentedAttention(t.q!, t.k!, t.v!, segments, { scale: 0.5 }) };
    });
    expectClose(both);
  });

  it("gives a segment the same bits alone and among others", () => {
    const t = (heads: number, seed: number) => tf.randomNormal([1, 40, heads, 8], 0, 1, "float32", seed);
    const [q, k, v] = [t(4, 1), t(2, 2), t(2, 3)] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const segments = [{ length: 10 }, { length: 9 }, { length: 8, after: 0 }, { length: 13, after: 1 }];
    const all = segmentedAttention(q, k, v, segments, { scale: 0.3 });
    const part = (x: tf.Tensor4D) =>
      tf.concat([tf.slice(x, [0, 10], [-1, 9]), tf.slice(x, [0, 27], [-1, 13])], 1);
    const alone = segmentedAttention(part(q), part(k), part(v), [{ length: 9 }, { length: 13, after: 0 }], {
      scale: 0.3,
    });
    expect([...part(all).dataSync()]).toEqual([...alone.dataSync()]);
  });
});

describe("gated MLP", () => {
  it.each(["silu", "gelu", "gelu_pytorch_tanh", "relu"] as const)(
    "agrees with the composition for %s",
    async (activation) => {
      const [N, H, F] = [9, 6, 31];
      const shapes = { x: [N, H], gate: [F, H], up: [F, H], down: [H, F], dy: [N, H], mask: [F] };
      for (const withMask of [false, true]) {
        const both = await bothWays(shapes, (t) => {
          const x = t.x as tf.Tensor2D;
          const weights = {
            gate: t.gate as tf.Tensor2D,
            up: t.up as tf.Tensor2D,
            down: t.down as tf.Tensor2D,
          };
          const options = { activation, mask: withMask ? (t.mask as tf.Tensor1D) : undefined };
          const { output, saved } = gatedMlpSaving(x, weights, options);
          return {
            output,
            ...saved,
            ...rename(gatedMlpBackward(x, weights, saved, t.dy as tf.Tensor2D, options)),
          };
        });
        expectClose(both);
      }
    },
  );

  it.each([
    [3, 4, 5],
    [40, 33, 70],
    [20, 1040, 1301],
  ])("scores the neurons of N=%i, H=%i, F=%i, tile by tile", async (N, H, F) => {
    const shapes = {
      x: [N, H],
      activation: [N, F],
      gateGrad: [N, F],
      upGrad: [N, F],
      dy: [N, H],
      gate: [F, H],
      up: [F, H],
      down: [H, F],
    };
    const score = (t: object) => ({ score: sdmNeuronScore(t as never) });
    expectClose(await bothWays(shapes, score, H > 1000 ? "onnx" : "cpu"));
  });
});

function rename(gradients: object): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(gradients).map(([k, t]) => [`grad ${k}`, t as tf.Tensor]));
}

describe("loss", () => {
  const sizes = [4, 37] as const;

  it("collects softmax statistics chunk by chunk, in float64's eyes", async () => {
    await tf.setBackend("onnx");
    const [N, C] = sizes;
    const rng = new Rng(3, "logits");
    const chunks = Array.from({ length: 3 }, () =>
      Float32Array.from({ length: N * C }, () => 10 * rng.normal()),
    );
    let state: tf.Tensor[] = [tf.fill([N], -1e30), tf.zeros([N]), tf.zeros([N])];
    for (const chunk of chunks) {
      const logits = tf.tensor2d(chunk, [N, C]);
      const [max, sum, weighted] = state as [tf.Tensor, tf.Tensor, tf.Tensor];
      const next = fused("SdmLogSumExpChunk", { logits, max, sum, weighted }, { inverseTemperature: 0.5 });
      tf.dispose([logits, state]);
      state = next;
    }
    const [max, sum, weighted] = state.map((t) => t.dataSync()) as [Float32Array, Float32Array, Float32Array];
    for (let n = 0; n < N; n++) {
      const z = chunks.flatMap((chunk) => [...chunk.subarray(n * C, (n + 1) * C)].map((x) => x * 0.5));
      const top = Math.max(...z);
      const total = z.reduce((s, x) => s + Math.exp(x - top), 0);
      const entropy = -z.reduce((s, x) => s + (Math.exp(x - top) / total) * (x - top - Math.log(total)), 0);
      expect(max[n]! + Math.log(sum[n]!)).toBeCloseTo(top + Math.log(total), 5);
      expect(Math.log(sum[n]!) - weighted[n]! / sum[n]!).toBeCloseTo(entropy, 5);
    }
    tf.dispose(state);
  });

  it("forms the gradient of cross-entropy, blend and entropy", async () => {
    await tf.setBackend("onnx");
    const [N, C] = sizes;
    const rng = new Rng(5, "logits");
    const draw = (n: number) => Float32Array.from({ length: n }, () => 3 * rng.normal());
    const [z, u] = [draw(N * C), draw(N * C)];
    const tau = 2;
    const row = (x: Float32Array, n: number, f: number) =>
      [...x.subarray(n * C, (n + 1) * C)].map((v) => v * f);
    const stats = (x: Float32Array, f: number) => {
      const max = Float32Array.from({ length: N }, (_, n) => Math.max(...row(x, n, f)));
      const sum = max.map((m, n) => row(x, n, f).reduce((s, v) => s + Math.exp(v - m), 0));
      return { max, sum };
    };
    const [student, teacher] = [stats(z, 1), stats(u, 1 / tau)];
    const labels = Int32Array.of(0, 36, -1, 40); // the last two lie in other chunks
    const [labelWeight, teacherWeight] = [Float32Array.of(0.5, 0.25, 0, 1), Float32Array.of(0.1, 0, 2, 1)];
    const entropy = Float32Array.from({ length: N }, (_, n) => n + 0.5);
    const q = (n: number, c: number) => Math.exp(z[n * C + c]! - student.max[n]!) / student.sum[n]!;
    const p = (n: number, c: number) => Math.exp(u[n * C + c]! / tau - teacher.max[n]!) / teacher.sum[n]!;
    const hot = (n: number, c: number) => Number(labels[n] === c);
    const expected = {
      "cross-entropy": (n: number, c: number) => labelWeight[n]! * (q(n, c) - hot(n, c)),
      blend: (n: number, c: number) =>
        labelWeight[n]! * (q(n, c) - hot(n, c)) + teacherWeight[n]! * (q(n, c) - p(n, c)),
      entropy: (n: number, c: number) => -labelWeight[n]! * q(n, c) * (Math.log(q(n, c)) + entropy[n]!),
    };
    const tensors = {
      logits: tf.tensor2d(z, [N, C]),
      max: tf.tensor1d(student.max),
      sum: tf.tensor1d(student.sum),
      labelWeight: tf.tensor1d(labelWeight),
      labels: tf.tensor1d(labels, "int32"),
      teacherLogits: tf.tensor2d(u, [N, C]),
      teacherMax: tf.tensor1d(teacher.max),
      teacherSum: tf.tensor1d(teacher.sum),
      teacherWeight: tf.tensor1d(teacherWeight),
      entropy: tf.tensor1d(entropy),
    };
    for (const kind of ["cross-entropy", "blend", "entropy"] as const) {
      const inverseTemperature = kind === "blend" ? 1 / tau : 1;
      const [dz, kd] = fused("SdmLossGradientChunk", tensors, { kind, inverseTemperature });
      dz!.dataSync().forEach((value, i) => {
        expect(value).toBeCloseTo(expected[kind](Math.floor(i / C), i % C), 6);
      });
      if (kind === "blend") {
        kd!.dataSync().forEach((value, n) => {
          const terms = Array.from({ length: C }, (_, c) => p(n, c) * Math.log(p(n, c) / q(n, c)));
          expect(value).toBeCloseTo(
            terms.reduce((s, t) => s + t),
            5,
          );
        });
      }
      tf.dispose([dz!, kd].filter((t) => t !== undefined));
    }
    tf.dispose(tensors);
  });
});

function fused<K extends FusedKernelName>(
  name: K,
  inputs: FusedKernels[K]["inputs"],
  attrs: FusedKernels[K]["attrs"],
): FusedKernels[K]["outputs"] {
  const outputs = runFused(name, inputs, attrs);
  if (!outputs) throw new Error(`${name} did not run.`);
  return outputs;
}

describe("SdmExpSum", () => {
  it.each([
    [1, 3],
    [3, 49],
    [7, 40_000],
  ])("sums the exponentials of [%i, %i] in float64, each row by itself", async (N, C) => {
    await tf.setBackend("onnx");
    const rng = new Rng(6, "logits");
    const values = Float32Array.from({ length: N * C }, () => 4 * rng.normal());
    values[0] = 20; // all but certain
    const logits = tf.tensor2d(values, [N, C]);
    const before = tf.memory().numTensors;
    const { max, sum } = await softmaxSums(logits);
    expect(tf.memory().numTensors).toBe(before);
    for (let n = 0; n < N; n++) {
      const row = values.subarray(n * C, (n + 1) * C);
      const top = row.reduce((a, b) => Math.max(a, b));
      const tail = row.reduce((total, z) => total + (z === top ? 0 : Math.exp(z - top)), 0);
      expect(max[n]).toBe(top);
      expect((sum[n]! - 1) / tail).toBeCloseTo(1, 5);
      const alone = tf.tensor2d(row, [1, C]);
      expect((await softmaxSums(alone)).sum[0]).toBe(sum[n]);
      alone.dispose();
    }
    logits.dispose();
  });

  it("does not hide a logit that is no number", async () => {
    const { sum } = await softmaxSums(tf.tensor2d([1, NaN, 2], [1, 3]));
    expect(sum[0]).toBeNaN();
  });
});

describe("SdmFill", () => {
  const bytes = 1 << 16;
  const memory = () => tf.memory() as unknown as { poolFreeBytes: number; poolLeasedBytes: number };

  it("writes into memory that a freed tensor leaves", async () => {
    await tf.setBackend("onnx");
    activeBackend()!.pool.clear(); // else it may take a larger buffer of another test
    const before = memory();
    filledTensor([bytes / 4], (values) => values.fill(1)).dispose();
    const tensor = filledTensor([4, bytes / 16], (values) => {
      expect(values[0]).toBe(1); // what was there
      values.fill(2);
    });
    expect(memory().poolLeasedBytes - before.poolLeasedBytes).toBe(bytes);
    expect(new Set(await tensor.data())).toEqual(new Set([2]));
    tensor.dispose();
  });

  it("gives the memory back when it cannot be filled", () => {
    const before = { ...memory(), numTensors: tf.memory().numTensors };
    const fill = (): never => {
      throw new Error("no such file");
    };
    expect(() => filledTensor([bytes / 4], fill)).toThrow("no such file");
    expect(memory().poolLeasedBytes).toBe(before.poolLeasedBytes);
    expect(tf.memory().numTensors).toBe(before.numTensors);
  });
});

import type { GatedActivationName } from "../src/fused-kernels.js";

// The operations once more, in float64 and as plain loops after their definitions: the tests' independent source.

/** `x [N, I]`, `weight [O, I]`, `bias [O]` -> `[N, O]`. */
export function linear64(
  x: Float64Array,
  weight: Float64Array,
  inputs: number,
  bias?: Float64Array,
): Float64Array {
  const rows = x.length / inputs;
  const outputs = weight.length / inputs;
  const y = new Float64Array(rows * outputs);
  for (let n = 0; n < rows; n++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias?.[o] ?? 0;
      for (let i = 0; i < inputs; i++) sum += x[n * inputs + i]! * weight[o * inputs + i]!;
      y[n * outputs + o] = sum;
    }
  }
  return y;
}

export function rmsNorm64(x: Float64Array, weight: Float64Array, eps: number): Float64Array {
  const hidden = weight.length;
  return x.map((value, i) => {
    const row = x.subarray(i - (i % hidden), i - (i % hidden) + hidden);
    const meanSquare = row.reduce((sum, v) => sum + v * v, 0) / hidden;
    return (value / Math.sqrt(meanSquare + eps)) * weight[i % hidden]!;
  });
}

/** `x [tokens, heads, D]` with a position per token; pairs `(i, i + R/2)` as complex numbers. */
export function rotary64(
  x: Float64Array,
  heads: number,
  headDim: number,
  frequencies: Float64Array,
  positions: number[],
): Float64Array {
  const y = Float64Array.from(x);
  const half = frequencies.length;
  for (let t = 0; t < positions.length; t++) {
    for (let h = 0; h < heads; h++) {
      const base = (t * heads + h) * headDim;
      for (let i = 0; i < half; i++) {
        const angle = positions[t]! * frequencies[i]!;
        const [re, im] = [x[base + i]!, x[base + i + half]!];
        y[base + i] = re * Math.cos(angle) - im * Math.sin(angle);
        y[base + i + half] = re * Math.sin(angle) + im * Math.cos(angle);
      }
    }
  }
  return y;
}

export interface AttentionShape {
  B: number;
  T: number;
  S: number;
  Nq: number;
  Nkv: number;
  D: number;
}

/** `bias`, if given, is a function of batch row, query head, query and key. */
export function attention64(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  { B, T, S, Nq, Nkv, D }: AttentionShape,
  scale: number,
  bias: (b: number, h: number, i: number, j: number) => number = () => 0,
): Float64Array {
  const out = new Float64Array(q.length);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < Nq; h++) {
      const kv = Math.floor(h / (Nq / Nkv));
      for (let i = 0; i < T; i++) {
        const query = ((b * T + i) * Nq + h) * D;
        const key = (j: number): number => ((b * S + j) * Nkv + kv) * D;
        const weights: number[] = [];
        for (let j = 0; j <= S - T + i; j++) {
          let dot = 0;
          for (let d = 0; d < D; d++) dot += q[query + d]! * k[key(j) + d]!;
          weights.push(Math.exp(scale * dot + bias(b, h, i, j)));
        }
        const total = weights.reduce((sum, w) => sum + w, 0);
        weights.forEach((w, j) => {
          for (let d = 0; d < D; d++) out[query + d]! += (w / total) * v[key(j) + d]!;
        });
      }
    }
  }
  return out;
}

const ACTIVATIONS_64: Record<GatedActivationName, (g: number) => number> = {
  silu: (g) => g / (1 + Math.exp(-g)),
  gelu: (g) => g * normalCdf(g),
  gelu_pytorch_tanh: (g) => 0.5 * g * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (g + 0.044715 * g ** 3))),
  relu: (g) => Math.max(0, g),
};

/** By the midpoint rule over the density from 0, good to 1e-9 on [-6, 6]. */
function normalCdf(x: number): number {
  const steps = 20_000;
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += Math.exp(-0.5 * ((x * (i + 0.5)) / steps) ** 2);
  return 0.5 + ((x / steps) * sum) / Math.sqrt(2 * Math.PI);
}

export interface Mlp64 {
  gate: Float64Array;
  up: Float64Array;
  down: Float64Array;
  gateBias?: Float64Array;
  upBias?: Float64Array;
  downBias?: Float64Array;
  mask?: Float64Array;
}

export function gatedMlp64(
  x: Float64Array,
  w: Mlp64,
  hidden: number,
  activation: GatedActivationName,
  maskAt: "activation" | "projections" = "activation",
): Float64Array {
  const intermediate = w.gate.length / hidden;
  const g = linear64(x, w.gate, hidden, w.gateBias);
  const u = linear64(x, w.up, hidden, w.upBias);
  const a = g.map((value, i) => {
    const mask = w.mask?.[i % intermediate] ?? 1;
    return maskAt === "projections"
      ? ACTIVATIONS_64[activation](mask * value) * (mask * u[i]!)
      : ACTIVATIONS_64[activation](value) * u[i]! * mask;
  });
  return linear64(a, w.down, intermediate, w.downBias);
}

/** Softmax of every row of `logits [N, V]` at temperature `tau`. */
export function softmax64(logits: Float64Array, vocabSize: number, tau = 1): Float64Array {
  return logits.map((z, i) => {
    const row = logits.subarray(i - (i % vocabSize), i - (i % vocabSize) + vocabSize);
    return Math.exp(z / tau) / row.reduce((sum, v) => sum + Math.exp(v / tau), 0);
  });
}

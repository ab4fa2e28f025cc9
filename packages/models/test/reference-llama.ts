import type { LlamaConfig } from "@sdmprune/models";

/** Values of a tensor, row-major, float64. */
export type Weights = ReadonlyMap<string, Float64Array>;

/**
 * Mean next-token cross-entropy of a Llama in plain float64 loops, written from the formulas and shared with
 * nothing: what gradients are compared with by finite differences.
 */
export function referenceLoss(config: LlamaConfig, weights: Weights, ids: Int32Array, batch: number): number {
  const length = ids.length / batch;
  let sum = 0;
  for (let b = 0; b < batch; b++) {
    const sequence = ids.subarray(b * length, (b + 1) * length);
    const logits = referenceLogits(config, weights, sequence);
    for (let t = 0; t + 1 < length; t++) sum -= logSoftmax(logits[t]!)[sequence[t + 1]!]!;
  }
  return sum / (batch * (length - 1));
}

/** Logits of one sequence; `[T][V]`. */
export function referenceLogits(config: LlamaConfig, weights: Weights, ids: Int32Array): number[][] {
  const get = (name: string): Float64Array => weights.get(name)!;
  const H = config.hiddenSize;
  const embed = get("model.embed_tokens.weight");
  let x = Array.from(ids, (id) => Array.from(embed.subarray(id * H, (id + 1) * H)));
  for (let layer = 0; layer < config.numLayers; layer++) {
    const weight = (part: string): Float64Array => get(`model.layers.${layer}.${part}.weight`);
    const project = (module: string, rows: number[][]): number[][] =>
      rows.map((row) => affine(row, weight(module), weights.get(`model.layers.${layer}.${module}.bias`)));
    const normed = x.map((row) => norm(row, weight("input_layernorm"), config.rmsNormEps));
    const q = project("self_attn.q_proj", normed).map((row, t) => rotate(config, row, t));
    const k = project("self_attn.k_proj", normed).map((row, t) => rotate(config, row, t));
    const v = project("self_attn.v_proj", normed);
    const attended = project("self_attn.o_proj", attend(config, q, k, v));
    x = x.map((row, t) => row.map((value, h) => value + attended[t]![h]!));
    const mlpInput = x.map((row) => norm(row, weight("post_attention_layernorm"), config.rmsNormEps));
    const gate = project("mlp.gate_proj", mlpInput);
    const up = project("mlp.up_proj", mlpInput);
    const hidden = gate.map((row, t) => row.map((g, f) => (g / (1 + Math.exp(-g))) * up[t]![f]!));
    const output = project("mlp.down_proj", hidden);
    x = x.map((row, t) => row.map((value, h) => value + output[t]![h]!));
  }
  const head = get(config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight");
  return x.map((row) => affine(norm(row, get("model.norm.weight"), config.rmsNormEps), head));
}

function affine(x: readonly number[], weight: Float64Array, bias?: Float64Array): number[] {
  const outputs = weight.length / x.length;
  return Array.from({ length: outputs }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * weight[o * x.length + i]!, bias?.[o] ?? 0),
  );
}

function norm(x: readonly number[], weight: Float64Array, eps: number): number[] {
  const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + eps);
  return x.map((value, h) => (value / rms) * weight[h]!);
}

function rotate({ headDim: D, rotary }: LlamaConfig, row: readonly number[], position: number): number[] {
  const out = [...row];
  const R = Math.floor(D * rotary.partialFactor);
  for (let head = 0; head < row.length / D; head++) {
    for (let i = 0; i < R / 2; i++) {
      const angle = position * scaledFrequency(rotary, rotary.theta ** ((-2 * i) / R));
      const [a, b] = [head * D + i, head * D + i + R / 2];
      out[a] = row[a]! * Math.cos(angle) - row[b]! * Math.sin(angle);
      out[b] = row[b]! * Math.cos(angle) + row[a]! * Math.sin(angle);
    }
  }
  return out;
}

function scaledFrequency({ scaling }: LlamaConfig["rotary"], frequency: number): number {
  if (!scaling) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  const {
    factor,
    lowFreqFactor: low,
    highFreqFactor: high,
    originalMaxPositionEmbeddings: original,
  } = scaling;
  const turns = (original * frequency) / (2 * Math.PI);
  const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return smooth * frequency + (1 - smooth) * (frequency / factor);
}

function attend(config: LlamaConfig, q: number[][], k: number[][], v: number[][]): number[][] {
  const { headDim: D, numAttentionHeads, numKeyValueHeads } = config;
  return q.map((row, t) => {
    const out = new Array<number>(row.length).fill(0);
    for (let head = 0; head < numAttentionHeads; head++) {
      const kv = Math.floor((head * numKeyValueHeads) / numAttentionHeads);
      const scores = Array.from({ length: t + 1 }, (_, s) => {
        let dot = 0;
        for (let i = 0; i < D; i++) dot += row[head * D + i]! * k[s]![kv * D + i]!;
        return dot / Math.sqrt(D);
      });
      const probabilities = logSoftmax(scores).map(Math.exp);
      for (let s = 0; s <= t; s++) {
        for (let i = 0; i < D; i++) out[head * D + i]! += probabilities[s]! * v[s]![kv * D + i]!;
      }
    }
    return out;
  });
}

function logSoftmax(z: readonly number[]): number[] {
  const max = Math.max(...z);
  const logSum = max + Math.log(z.reduce((sum, value) => sum + Math.exp(value - max), 0));
  return z.map((value) => value - logSum);
}

import type { ExpectedTensor } from "../model-family.js";
import type { LlamaConfig } from "./config.js";

/** Parameters outside the blocks. */
export type LlamaTopTensor = "embed_tokens.weight" | "norm.weight" | "lm_head.weight";

/** Linear layers of one block, as Hugging Face names them. */
export type LlamaModule = `self_attn.${"q" | "k" | "v" | "o"}_proj` | `mlp.${"gate" | "up" | "down"}_proj`;

/** Parameters of one block. */
export type LlamaLayerTensor =
  "input_layernorm.weight" | "post_attention_layernorm.weight" | `${LlamaModule}.${"weight" | "bias"}`;

/** One parameter: what it is, and of which block unless it stands outside of them. */
export type LlamaTensor =
  { layer?: undefined; part: LlamaTopTensor } | { layer: number; part: LlamaLayerTensor };

export const EMBEDDING = "model.embed_tokens.weight";
export const FINAL_NORM = "model.norm.weight";
export const LM_HEAD = "lm_head.weight";

const LAYER_TENSOR =
  /^model\.layers\.(0|[1-9]\d*)\.((?:input|post_attention)_layernorm\.weight|self_attn\.[qkvo]_proj\.(?:weight|bias)|mlp\.(?:gate|up|down)_proj\.(?:weight|bias))$/;

/** Name of a parameter in a Hugging Face checkpoint. */
export function llamaTensorName({ layer, part }: LlamaTensor): string {
  if (layer !== undefined) return `model.layers.${layer}.${part}`;
  return part === "lm_head.weight" ? LM_HEAD : `model.${part}`;
}

/** Name of a linear layer of a block: that of its weight without `.weight`. */
export function llamaModuleName(layer: number, module: LlamaModule): string {
  return `model.layers.${layer}.${module}`;
}

/** What a tensor of a checkpoint is: the inverse of {@link llamaTensorName}. `undefined` for any other name. */
export function parseLlamaTensorName(name: string): LlamaTensor | undefined {
  if (name === EMBEDDING) return { part: "embed_tokens.weight" };
  if (name === FINAL_NORM) return { part: "norm.weight" };
  if (name === LM_HEAD) return { part: "lm_head.weight" };
  const match = LAYER_TENSOR.exec(name);
  return match ? { layer: Number(match[1]), part: match[2] as LlamaLayerTensor } : undefined;
}

/** The parameters of a Llama of this config with their shapes, in order of depth. */
export function llamaExpectedTensors(config: LlamaConfig): ExpectedTensor[] {
  const { hiddenSize: H, vocabSize: V, numLayers } = config;
  const tensors: ExpectedTensor[] = [{ name: EMBEDDING, shape: [V, H] }];
  for (let layer = 0; layer < numLayers; layer++) {
    for (const [part, shape] of layerTensors(config, layer)) {
      tensors.push({ name: llamaTensorName({ layer, part }), shape });
    }
  }
  tensors.push({ name: FINAL_NORM, shape: [H] });
  if (!config.tieWordEmbeddings) tensors.push({ name: LM_HEAD, shape: [V, H] });
  return tensors;
}

/** The parameters of one block. */
export function layerTensors(config: LlamaConfig, layer: number): [LlamaLayerTensor, number[]][] {
  const { hiddenSize: H, headDim: D, attentionBias, mlpBias } = config;
  const Q = config.numAttentionHeads * D;
  const KV = config.numKeyValueHeads * D;
  const F = config.intermediateSizes[layer]!;
  const linear = (
    module: LlamaModule,
    shape: [number, number],
    hasBias: boolean,
  ): [LlamaLayerTensor, number[]][] => [
    [`${module}.weight`, shape],
    ...(hasBias ? [[`${module}.bias`, [shape[0]]] as [LlamaLayerTensor, number[]]] : []),
  ];
  return [
    ["input_layernorm.weight", [H]],
    ...linear("self_attn.q_proj", [Q, H], attentionBias),
    ...linear("self_attn.k_proj", [KV, H], attentionBias),
    ...linear("self_attn.v_proj", [KV, H], attentionBias),
    ...linear("self_attn.o_proj", [H, Q], attentionBias),
    ["post_attention_layernorm.weight", [H]],
    ...linear("mlp.gate_proj", [F, H], mlpBias),
    ...linear("mlp.up_proj", [F, H], mlpBias),
    ...linear("mlp.down_proj", [H, F], mlpBias),
  ];
}

/** The linear layers of one block with their output and input sizes. */
export function llamaLinearModules(
  config: LlamaConfig,
  layer: number,
): [name: string, sizes: readonly [outputs: number, inputs: number]][] {
  return layerTensors(config, layer)
    .filter(([, shape]) => shape.length === 2)
    .map(([part, shape]) => [
      llamaTensorName({ layer, part }).replace(/\.weight$/, ""),
      shape as [number, number],
    ]);
}

/** Rotary tables that checkpoints of transformers before 4.32 carry: computed, not learnt. */
export function isIgnoredLlamaTensor(name: string): boolean {
  return /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/.test(name);
}

export function isLlamaEmbedding(name: string): boolean {
  return name === EMBEDDING || name === LM_HEAD;
}

import type { GatedMlpAdapters, GatedMlpWeights, tf } from "@sdmprune/tensor";
import type { AdapterSlots } from "../adapters.js";
import type { LinearWeights } from "../linear-layer.js";
import type { SequenceContext } from "../sequence-context.js";
import type { WeightStore } from "../weight-store.js";
import type { LlamaConfig } from "./config.js";
import { llamaModuleName, llamaTensorName, type LlamaLayerTensor, type LlamaModule } from "./weights.js";

/** The weights of one block, in memory. */
export interface LlamaBlockWeights {
  readonly inputNorm: tf.Tensor1D;
  readonly q: LinearWeights;
  readonly k: LinearWeights;
  readonly v: LinearWeights;
  readonly o: LinearWeights;
  readonly postAttentionNorm: tf.Tensor1D;
  readonly mlp: GatedMlpWeights;
  readonly mlpAdapters: GatedMlpAdapters | undefined;
}

/** The weights of an acquired block as they are now, and the adapters of a pass. They belong to the store and their owner. */
export function llamaBlockWeights(
  store: WeightStore,
  adapters: AdapterSlots,
  config: LlamaConfig,
  layer: number,
  context: SequenceContext,
): LlamaBlockWeights {
  const adapter = (module: LlamaModule) => adapters.get(llamaModuleName(layer, module), context);
  const get = <T extends tf.Tensor>(part: LlamaLayerTensor): T =>
    store.get<T>(llamaTensorName({ layer, part }));
  const projection = (name: "q" | "k" | "v" | "o"): LinearWeights => ({
    weight: get<tf.Tensor2D>(`self_attn.${name}_proj.weight`),
    ...(config.attentionBias && { bias: get<tf.Tensor1D>(`self_attn.${name}_proj.bias`) }),
    adapter: adapter(`self_attn.${name}_proj`),
  });
  const [gate, up, down] = (["gate", "up", "down"] as const).map((name) => adapter(`mlp.${name}_proj`));
  return {
    inputNorm: get("input_layernorm.weight"),
    q: projection("q"),
    k: projection("k"),
    v: projection("v"),
    o: projection("o"),
    postAttentionNorm: get("post_attention_layernorm.weight"),
    mlp: llamaMlpWeights(store, config, layer),
    mlpAdapters: gate || up || down ? { gate, up, down } : undefined,
  };
}

/** The weights of the MLP of one block, acquired, as they are now. They belong to the store. */
export function llamaMlpWeights(
  store: WeightStore,
  { mlpBias }: LlamaConfig,
  layer: number,
): GatedMlpWeights {
  const get = <T extends tf.Tensor>(part: LlamaLayerTensor): T =>
    store.get<T>(llamaTensorName({ layer, part }));
  return {
    gate: get("mlp.gate_proj.weight"),
    up: get("mlp.up_proj.weight"),
    down: get("mlp.down_proj.weight"),
    ...(mlpBias && {
      gateBias: get<tf.Tensor1D>("mlp.gate_proj.bias"),
      upBias: get<tf.Tensor1D>("mlp.up_proj.bias"),
      downBias: get<tf.Tensor1D>("mlp.down_proj.bias"),
    }),
  };
}

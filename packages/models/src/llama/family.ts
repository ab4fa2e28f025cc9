import type { ModelFamily } from "../model-family.js";
import { parseLlamaConfig, setLlamaWidth, type LlamaConfig } from "./config.js";
import { llamaPrunableGroups } from "./prunable-groups.js";
import { isIgnoredLlamaTensor, isLlamaEmbedding, llamaExpectedTensors } from "./weights.js";

/**
 * `LlamaForCausalLM`: Llama 2 and 3.x, TinyLlama, Sheared-LLaMA, SmolLM2 (Touvron et al. 2023,
 * https://arxiv.org/abs/2302.13971, and its successors).
 */
export const llamaFamily: ModelFamily<LlamaConfig> = {
  modelType: "llama",
  parseConfig: parseLlamaConfig,
  expectedTensors: llamaExpectedTensors,
  isIgnored: isIgnoredLlamaTensor,
  isEmbedding: isLlamaEmbedding,
  prunableGroups: llamaPrunableGroups,
  setWidth: setLlamaWidth,
  load: async (source, config, options) => (await import("./model.js")).loadLlama(source, config, options),
};

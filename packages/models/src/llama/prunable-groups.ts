import type { PrunableGroup, PrunableMember } from "../prunable-group.js";
import type { LlamaConfig } from "./config.js";
import { llamaTensorName, type LlamaLayerTensor } from "./weights.js";

/**
 * Neuron `j` of a gated MLP is row `j` of gate_proj and up_proj, with their biases, and column `j` of
 * down_proj. The bias of down_proj belongs to no neuron and stays.
 */
export function llamaPrunableGroups({ intermediateSizes, mlpBias }: LlamaConfig): PrunableGroup[] {
  return intermediateSizes.map((intermediateSize, layer) => {
    const member = (part: LlamaLayerTensor, axis: 0 | 1): PrunableMember => ({
      tensor: llamaTensorName({ layer, part }),
      axis,
    });
    const weights = [
      member("mlp.gate_proj.weight", 0),
      member("mlp.up_proj.weight", 0),
      member("mlp.down_proj.weight", 1),
    ];
    const biases = mlpBias ? [member("mlp.gate_proj.bias", 0), member("mlp.up_proj.bias", 0)] : [];
    return { layer, intermediateSize, members: [...weights, ...biases], configKey: "intermediate_size" };
  });
}

import {
  gatedMlpBackward,
  type GatedMlpOptions,
  type GatedMlpSaved,
  type GatedMlpWeights,
  type tf,
} from "@sdmprune/tensor";
import type { BlockObserver } from "../block.js";
import { reportAdapter, reportLinear } from "../report-weight.js";
import { TensorScope } from "../tensor-scope.js";
import type { LlamaConfig } from "./config.js";
import { llamaModuleName } from "./weights.js";

/**
 * Gradient of a block's gated MLP. Shows the observer the MLP with its gradients, then the weight gradients
 * it wants.
 *
 * @param input - Of the MLP, after its norm; shape `[N, H]`.
 * @param dy - Gradient with respect to the MLP's output; shape `[N, H]`.
 * @param options - Those of the forward pass.
 * @returns Gradient with respect to `input`; shape `[N, H]`. The caller disposes it.
 */
export function mlpBackward(
  config: LlamaConfig,
  weights: GatedMlpWeights,
  layer: number,
  input: tf.Tensor2D,
  { gate, up, activation }: GatedMlpSaved,
  dy: tf.Tensor2D,
  options: GatedMlpOptions,
  observer?: BlockObserver,
): tf.Tensor2D {
  const scope = new TensorScope();
  try {
    const grads = scope.ownAll(gatedMlpBackward(input, weights, { gate, up, activation }, dy, options));
    const { dx, activationGrad, gateGrad, upGrad, maskGrad } = grads;
    if (maskGrad) observer?.neuronMask?.(layer, maskGrad);
    observer?.mlp?.({
      layer,
      weights,
      input,
      gate,
      up,
      activation,
      outputGrad: dy,
      activationGrad,
      gateGrad,
      upGrad,
    });
    reportLinear(observer, llamaModuleName(layer, "mlp.gate_proj"), input, gateGrad, config.mlpBias);
    reportLinear(observer, llamaModuleName(layer, "mlp.up_proj"), input, upGrad, config.mlpBias);
    reportLinear(observer, llamaModuleName(layer, "mlp.down_proj"), activation, dy, config.mlpBias);
    for (const name of ["gate", "up", "down"] as const) {
      const [a, b] = [grads[`${name}AdapterA`], grads[`${name}AdapterB`]];
      if (a && b) reportAdapter(observer, llamaModuleName(layer, `mlp.${name}_proj`), a, b);
    }
    return scope.handOver(dx);
  } finally {
    scope.dispose();
  }
}

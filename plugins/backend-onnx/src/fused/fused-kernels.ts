import type { NativeKernel } from "../kernels/native-kernel.js";
import { adamWKernel } from "./adam-w.js";
import { adaptedLinearBackwardKernel, adaptedLinearKernel } from "./adapted-linear.js";
import { causalAttentionBackwardKernel } from "./causal-attention-backward.js";
import { causalAttentionKernel, segmentedAttentionKernel } from "./causal-attention.js";
import { expSumKernel } from "./exp-sum.js";
import { fillKernel } from "./fill.js";
import { gatedActivationBackwardKernel, gatedActivationKernel } from "./gated-activation.js";
import { logSumExpChunkKernel, lossGradientChunkKernel } from "./loss-chunk.js";
import { neuronScoreKernel } from "./neuron-score.js";
import { rmsNormBackwardKernel, rmsNormKernel } from "./rms-norm.js";
import { rotaryKernel } from "./rotary.js";

/** The operations of a transformer which @sdmprune/tensor looks for by these names. */
export const fusedKernels: readonly NativeKernel[] = [
  rmsNormKernel,
  rmsNormBackwardKernel,
  rotaryKernel,
  adaptedLinearKernel,
  adaptedLinearBackwardKernel,
  causalAttentionKernel,
  causalAttentionBackwardKernel,
  segmentedAttentionKernel,
  gatedActivationKernel,
  gatedActivationBackwardKernel,
  neuronScoreKernel,
  logSumExpChunkKernel,
  lossGradientChunkKernel,
  adamWKernel,
  expSumKernel,
  fillKernel,
];

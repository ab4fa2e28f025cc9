export * as tf from "@tensorflow/tfjs-core";
export type {
  ActivateOptions,
  BackendAvailability,
  BackendCapabilities,
  BackendMemory,
  TensorBackend,
} from "./backend.js";
export { FUSED_KERNEL_NAMES, runFused } from "./fused-kernels.js";
export type {
  AdamWAttributes,
  FusedKernelName,
  FusedKernels,
  GatedActivationName,
  SegmentView,
  TokenRange,
} from "./fused-kernels.js";
export { adamW } from "./ops/adam-w.js";
export type { AdamWOptions, AdamWState } from "./ops/adam-w.js";
export { causalAttention, causalAttentionBackward } from "./ops/causal-attention.js";
export type { CausalAttentionGradients, CausalAttentionOptions } from "./ops/causal-attention.js";
export { dropoutMask } from "./ops/dropout-mask.js";
export type { Dropout } from "./ops/dropout-mask.js";
export { embedding, embeddingBackward } from "./ops/embedding.js";
export { filledTensor } from "./ops/filled-tensor.js";
export { gatedMlp, gatedMlpBackward, gatedMlpRecompute, gatedMlpSaving } from "./ops/gated-mlp.js";
export type {
  GatedMlpAdapters,
  GatedMlpGradients,
  GatedMlpOptions,
  GatedMlpSaved,
  GatedMlpWeights,
} from "./ops/gated-mlp.js";
export { languageModelLoss } from "./ops/language-model-loss.js";
export type { LanguageModelLoss, LanguageModelLossOptions } from "./ops/language-model-loss.js";
export type { LanguageModelHead } from "./ops/language-model-head.js";
export type { LossSpec } from "./ops/loss-spec.js";
export { linear, linearBackwardBias, linearBackwardInput, linearBackwardWeight } from "./ops/linear.js";
export { adaptedLinear, adaptedLinearBackward } from "./ops/linear-adapter.js";
export type { LinearAdapter, LinearAdapterGradients } from "./ops/linear-adapter.js";
export { rmsNorm, rmsNormBackward, rmsNormBackwardWeight } from "./ops/rms-norm.js";
export { rotary, rotaryBackward, rotaryTables } from "./ops/rotary.js";
export type { RotaryTables } from "./ops/rotary.js";
export { rotaryFrequencies } from "./ops/rotary-frequencies.js";
export type { RotaryFrequencyOptions, RotaryScaling } from "./ops/rotary-frequencies.js";
export { segmentedAttention, segmentedAttentionBackward } from "./ops/segmented-attention.js";
export type { AttentionSegment } from "./ops/segmented-attention.js";
export { sdmNeuronScore } from "./ops/sdm-neuron-score.js";
export type { SdmNeuronScoreInputs } from "./ops/sdm-neuron-score.js";
export { softmaxSums } from "./ops/softmax-sums.js";
export type { SoftmaxSums } from "./ops/softmax-sums.js";
export { addTo, readFloat64 } from "./read-float64.js";
export { selectBackend, withBackend } from "./select-backend.js";
export type { BackendSelection, SelectBackendOptions } from "./select-backend.js";
export { tensorPlugin } from "./tensor-plugin.js";

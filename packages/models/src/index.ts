export { AdapterSlots, adapterWeightName } from "./adapters.js";
export type { Adapters, LinearModules, ModuleAdapter } from "./adapters.js";
export { ActivationStore } from "./activation-store.js";
export type { ActivationSpill, ActivationStoreOptions, KeptActivation } from "./activation-store.js";
export type {
  Block,
  BlockObserver,
  BlockSaved,
  MlpBackwardObservation,
  MlpForwardObservation,
  MlpObservation,
} from "./block.js";
export type { CausalLM } from "./causal-lm.js";
export type { CausalLMConfig } from "./causal-lm-config.js";
export { checkTensors } from "./check-tensors.js";
export { checkTokenIds, embedTokens } from "./embed-tokens.js";
export { forwardBlocks, forwardHidden, forwardHiddenEach, withBlock, withBlockHeld } from "./forward.js";
export type { ForwardOptions, ForwardSequence } from "./forward.js";
export { forwardBackward, forwardBackwardEach } from "./forward-backward.js";
export type {
  BackwardOptions,
  BackwardSequence,
  ForwardBackwardRequest,
  LossFunction,
  LossInput,
} from "./forward-backward.js";
export { generate } from "./generate.js";
export type { GenerateOptions, Generation } from "./generate.js";
export { keptSlices, viewedWidths } from "./kept-slices.js";
export { KeyValueCache } from "./key-value-cache.js";
export { createHead, headLogits } from "./language-model-head.js";
export { linearLayer, linearLayerBackward } from "./linear-layer.js";
export type { LinearWeights } from "./linear-layer.js";
export { llamaFamily } from "./llama/family.js";
export type { LlamaConfig, RotaryConfig } from "./llama/config.js";
export { llamaTensorName, parseLlamaTensorName } from "./llama/weights.js";
export type { LlamaLayerTensor, LlamaTensor, LlamaTopTensor } from "./llama/weights.js";
export { modelFamily } from "./model-family.js";
export type { ExpectedTensor, KeptNeurons, LoadOptions, ModelFamily, RawConfig } from "./model-family.js";
export { modelsPlugin } from "./models-plugin.js";
export type { PrunableGroup, PrunableMember } from "./prunable-group.js";
export { readWeight } from "./read-weight.js";
export type { KeptSlices, ReadWeightOptions } from "./read-weight.js";
export { reportAdapter, reportLinear, reportWeight } from "./report-weight.js";
export { sampleToken } from "./sample-token.js";
export type { SamplingOptions } from "./sample-token.js";
export type { NeuronMasks, SequenceContext, SequenceOptions } from "./sequence-context.js";
export { TensorScope } from "./tensor-scope.js";
export type { WeightResidency } from "./weight-cache.js";
export type { WeightInfo, WeightReadOptions, WeightSource } from "./weight-source.js";
export { registerStore, storeOf, WeightStore } from "./weight-store.js";
export type { WeightStoreOptions } from "./weight-store.js";

export { causalLanguageModel } from "./causal-lm/causal-language-model.js";
export type { CausalLanguageModelOptions } from "./causal-lm/causal-language-model.js";
export { causalLMScorer } from "./causal-lm/causal-lm-scorer.js";
export type { CausalLMScorerOptions } from "./causal-lm/causal-lm-scorer.js";

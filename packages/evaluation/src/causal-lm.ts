export { causalLMScorer } from "./causal-lm/causal-lm-scorer.js";
export type { CausalLMScorerOptions } from "./causal-lm/causal-lm-scorer.js";

export { perplexity } from "./perplexity.js";
export type { Perplexity, PerplexityOptions } from "./perplexity.js";
export { perplexityWindows } from "./perplexity-windows.js";
export type { PerplexityBos, PerplexityWindow } from "./perplexity-windows.js";
export type { TokenScorer } from "./token-scorer.js";

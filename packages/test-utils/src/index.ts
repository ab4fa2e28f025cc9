export { activateCpuBackend } from "./activate-backend.js";
export { BYTE_TOKENIZER, byteTokenizerFiles } from "./byte-tokenizer.js";
export { scoreGoldenMlp } from "./golden-mlp.js";
export { tinyLlama } from "./tiny-llama.js";
export type { TinyLlama, TinyLlamaOptions } from "./tiny-llama.js";
export { tensorMatchers } from "./matchers.js";
export type { Closeness } from "./matchers.js";

import { BOS_ID, EOS_ID } from "./tokenizer.js";

/** Seed of everything about the demo model: the world and its stories, the first weights, the order of the windows. */
export const SEED = 0;

/** Tokens of the longest sequence. */
export const CONTEXT = 256;

export const VOCAB_SIZE = 1024;

/** Stories the tokenizer learns its merges from; more do not change them. */
export const NUM_TOKENIZER_STORIES = 5000;

/** Bytes of text for `prune --calibration`: about 400 windows, so that seeds draw different ones. */
export const CALIBRATION_BYTES = 400_000;

/** Bytes of text the perplexities are measured on. */
export const HELDOUT_BYTES = 100_000;

/** config.json. Three quarters of the parameters are in the MLPs: 40 % of all can go without touching the rest. */
export const MODEL_CONFIG = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  bos_token_id: BOS_ID,
  eos_token_id: EOS_ID,
  head_dim: 32,
  hidden_act: "silu",
  hidden_size: 128,
  initializer_range: 0.05,
  intermediate_size: 640,
  max_position_embeddings: CONTEXT,
  mlp_bias: false,
  model_type: "llama",
  num_attention_heads: 4,
  num_hidden_layers: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  use_cache: true,
  vocab_size: VOCAB_SIZE,
} as const;

export interface TrainingSettings {
  numSteps: number;
  /** Windows of {@link CONTEXT} tokens a step. */
  batch: number;
  /** Highest learning rate, reached after `warmupSteps`, then falling along a cosine to `finalPart` of it. */
  learningRate: number;
  warmupSteps: number;
  finalPart: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Gradients of a larger global norm are scaled down to it. */
  maxGradientNorm: number;
}

export const TRAINING: TrainingSettings = {
  numSteps: 4000,
  batch: 4,
  learningRate: 3e-3,
  warmupSteps: 100,
  finalPart: 0.02,
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-8,
  maxGradientNorm: 1,
};

import type { GatedActivationName } from "@sdmprune/tensor";

/** What every causal language model's config says, whatever its family. */
export interface CausalLMConfig {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** Number of blocks. */
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /** Width of the MLP of every layer. */
  readonly intermediateSizes: readonly number[];
  /** Activation function of the gated MLPs. */
  readonly hiddenAct: GatedActivationName;
  /** Longest sequence the model was made for, in tokens. */
  readonly maxPositionEmbeddings: number;
  /** Whether the LM head is the embedding table. */
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId?: number;
  /** Tokens that end a text; may be empty. */
  readonly eosTokenIds: readonly number[];
}

import type { GatedMlpWeights, LanguageModelHead, tf } from "@sdmprune/tensor";
import type { Adapters, LinearModules } from "./adapters.js";
import type { Block, BlockObserver } from "./block.js";
import type { CausalLMConfig } from "./causal-lm-config.js";
import type { SequenceContext, SequenceOptions } from "./sequence-context.js";

/**
 * A causal language model, block by block. An async loop walks the blocks, since weights may arrive from a
 * disk or the network; what happens inside a block is synchronous. `forwardHidden` and `forwardBackward`
 * are such loops.
 *
 * Shapes: `B` = batch, `T` = length, `N` = B * T rows, `H` = hidden size, `V` = vocabulary size.
 */
export interface CausalLM {
  readonly config: CausalLMConfig;
  /** Checkpoint names of the parameters, in order of depth; with tied embeddings the table is named once. */
  readonly parameterNames: readonly string[];
  /** The linear layers of the blocks, which adapters can be given to. */
  readonly linearModules: LinearModules;
  /**
   * Gives the model adapters in place of those it has; none by default. The model computes with the matrices as they are at the
   * time. They stay the caller's, who disposes them after the model or after taking them away.
   *
   * @throws {UsageError} If a layer is unknown.
   * @throws {ShapeError} If a matrix does not fit its layer.
   */
  setAdapters(adapters?: Adapters): void;
  /** The LM head as a matrix `[V, H]` that is read by chunks of rows. */
  readonly head: LanguageModelHead;
  /** Checkpoint name of the head's matrix: the embedding table's where they are tied. */
  readonly headName: string;
  /**
   * What the blocks share in one pass over `batch` sequences of `length` tokens. The caller disposes it.
   *
   * @throws {UsageError} If the positions do not fit, or reach past `config.maxPositionEmbeddings`.
   */
  sequence(batch: number, length: number, options?: SequenceOptions): SequenceContext;
  /**
   * Embedding of `N` token ids, row-major. The caller disposes it.
   *
   * @throws {UsageError} If there are not `N` ids, or one is not below `config.vocabSize`.
   */
  embed(ids: Int32Array, context: SequenceContext): Promise<tf.Tensor2D>;
  /**
   * Hands the gradient of the embedding table to the observer, if it wants it.
   *
   * @param dx - Gradient with respect to the embedding's output; shape `[N, H]`.
   * @param headGradient - Gradient of the head where it is the same matrix; shape `[V, H]`. Added in.
   */
  embedBackward(ids: Int32Array, dx: tf.Tensor2D, observer: BlockObserver, headGradient?: tf.Tensor2D): void;
  /** Block `index` with its weights in memory, until {@link CausalLM.releaseBlock} is called as often. */
  block(index: number): Promise<Block>;
  releaseBlock(index: number): void;
  /** Weights of the MLP of one block, loaded if need be, without the rest of the block and without adapters. The caller disposes them. */
  mlpWeights(index: number): Promise<GatedMlpWeights>;
  /** Norm before the head; shape `[N, H]` to `[N, H]`. The caller disposes the result. */
  finalNorm(x: tf.Tensor2D): tf.Tensor2D;
  /** Gradient with respect to the input of {@link CausalLM.finalNorm}. The caller disposes it. */
  finalNormBackward(x: tf.Tensor2D, dy: tf.Tensor2D, observer?: BlockObserver): tf.Tensor2D;
  /** A parameter as it is now, float32, loaded if need be. The caller disposes it; the model keeps its own. */
  parameter(name: string): Promise<tf.Tensor>;
  /**
   * Puts another tensor in a parameter's place. The model owns it from now on and disposes the old one. With a
   * `tf.Variable` the model computes with whatever is assigned to it.
   *
   * @throws {UsageError} If the name is unknown, or the model is streamed.
   * @throws {ShapeError} If the shape differs.
   */
  setParameter(name: string, tensor: tf.Tensor): void;
  /** Frees all weights. */
  dispose(): void;
}

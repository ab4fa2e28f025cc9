import type { GatedMlpWeights, tf } from "@sdmprune/tensor";
import type { SequenceContext } from "./sequence-context.js";

/** Tensors that a block's backward pass needs of its forward pass. */
export type BlockSaved = Readonly<Record<string, tf.Tensor | undefined>>;

/**
 * One transformer block: the unit of differentiation. Its methods are synchronous and valid between
 * `model.block(i)` and `model.releaseBlock(i)`.
 *
 * Shapes: `N` = batch * length rows, `H` = hidden size. All tensors are float32. Inputs are never disposed.
 */
export interface Block<C extends SequenceContext = SequenceContext, S extends BlockSaved = BlockSaved> {
  readonly index: number;
  /**
   * @param x - Shape `[N, H]`.
   * @param observer - Sees the MLP's activations.
   * @returns Shape `[N, H]`. The caller disposes it.
   */
  forward(x: tf.Tensor2D, context: C, observer?: BlockObserver): tf.Tensor2D;
  /**
   * {@link Block.forward} that keeps what {@link Block.backward} needs.
   *
   * @returns The caller disposes the output and, unless `backward` takes it, everything saved.
   */
  forwardSaving(x: tf.Tensor2D, context: C, observer?: BlockObserver): { output: tf.Tensor2D; saved: S };
  /**
   * What {@link Block.forwardSaving} saves, to the same bits, without the output.
   *
   * @returns The caller disposes everything saved, unless `backward` takes it.
   */
  recompute(x: tf.Tensor2D, context: C): S;
  /**
   * Vector-Jacobian product of the block.
   *
   * @param saved - From `forwardSaving` or `recompute`; disposed here, also on failure.
   * @param dy - Gradient with respect to the output; shape `[N, H]`.
   * @param observer - Sees the MLP with its gradients, and the weight gradients it wants.
   * @returns Gradient with respect to the input; shape `[N, H]`. The caller disposes it.
   */
  backward(saved: S, dy: tf.Tensor2D, context: C, observer?: BlockObserver): tf.Tensor2D;
  /**
   * {@link Block.backward} no further than to the MLP's input: all that an observer of MLPs and neuron masks sees of the
   * first block, below which nothing else is wanted.
   */
  backwardMlp(saved: S, dy: tf.Tensor2D, context: C, observer: BlockObserver): void;
}

/** Watches a pass through a model. What it is shown is valid only during the call. */
export interface BlockObserver {
  /** Called for every MLP: in a forward pass with its activations, in a backward pass with the gradients too. */
  mlp?(observation: MlpObservation): void;
  /** Whether {@link BlockObserver.weight} is to be called for the parameter of this checkpoint name. */
  wantsWeight?(name: string): boolean;
  /**
   * Called in a backward pass once for every wanted parameter, with the gradient of the loss in the
   * parameter's shape. `tf.clone` it to keep it: it is disposed after the call.
   */
  weight?(name: string, gradient: tf.Tensor): void;
  /**
   * Called in a backward pass for every layer with a mask in `neuronMasks`, with the gradient by the mask, shape `[F]`.
   * `tf.clone` it to keep it.
   */
  neuronMask?(layer: number, gradient: tf.Tensor1D): void;
}

/** One gated MLP in a forward pass. `F` = intermediate size. */
export interface MlpForwardObservation {
  readonly layer: number;
  readonly weights: GatedMlpWeights;
  /** Input of the MLP, after its norm; shape `[N, H]`. */
  readonly input: tf.Tensor2D;
  /** Output of gate_proj before the activation function; shape `[N, F]`. */
  readonly gate: tf.Tensor2D;
  /** Output of up_proj; shape `[N, F]`. */
  readonly up: tf.Tensor2D;
  /** `act(gate) * up`, the input of down_proj; shape `[N, F]`. */
  readonly activation: tf.Tensor2D;
  readonly outputGrad?: undefined;
  readonly activationGrad?: undefined;
  readonly gateGrad?: undefined;
  readonly upGrad?: undefined;
}

/** One gated MLP in a backward pass: {@link MlpForwardObservation} and the gradients of the loss. */
export interface MlpBackwardObservation extends Omit<
  MlpForwardObservation,
  "outputGrad" | "activationGrad" | "gateGrad" | "upGrad"
> {
  /** Gradient with respect to the MLP's output; shape `[N, H]`. */
  readonly outputGrad: tf.Tensor2D;
  /** Gradient with respect to `activation`; shape `[N, F]`. */
  readonly activationGrad: tf.Tensor2D;
  /** Gradient with respect to `gate`; shape `[N, F]`. */
  readonly gateGrad: tf.Tensor2D;
  /** Gradient with respect to `up`; shape `[N, F]`. */
  readonly upGrad: tf.Tensor2D;
}

export type MlpObservation = MlpForwardObservation | MlpBackwardObservation;

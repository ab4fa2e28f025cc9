import { SdmPruneError } from "@sdmprune/core";
import { tf, type LanguageModelHead } from "@sdmprune/tensor";
import { ActivationStore, type ActivationStoreOptions, type KeptActivation } from "./activation-store.js";
import type { BlockObserver, BlockSaved } from "./block.js";
import type { CausalLM } from "./causal-lm.js";
import { withBlock, withBlockHeld } from "./forward.js";
import type { SequenceContext, SequenceOptions } from "./sequence-context.js";
import { TensorScope } from "./tensor-scope.js";

/** What a loss is computed from; `languageModelLoss({ ...input, loss })` takes it as it is. */
export interface LossInput {
  /** Output of the final norm; shape `[N, H]`. Stays the driver's. */
  readonly hidden: tf.Tensor2D;
  readonly head: LanguageModelHead;
  readonly ids: Int32Array;
  readonly batch: number;
  readonly needGradient: true;
  /** Given when an observer wants the head's gradient: takes it in chunks of rows `[end - start, H]`, in order. */
  readonly onHeadGradient?: (start: number, end: number, gradient: tf.Tensor2D) => void;
}

/** Computes a loss and its gradient with respect to `hidden`. */
export type LossFunction<R extends { dHidden?: tf.Tensor2D }> = (input: LossInput) => Promise<R>;

/** One batch of sequences of a pass forward and backward. */
export interface BackwardSequence<R extends { dHidden?: tf.Tensor2D }> extends Omit<
  SequenceOptions,
  "cache"
> {
  /** `N = batch * length` token ids, row-major. */
  readonly ids: Int32Array;
  readonly batch: number;
  readonly lossFn: LossFunction<R>;
  /** Sees every MLP with its gradients, and the weight gradients it wants, from the last block to the first. */
  readonly observer?: BlockObserver;
  /** Sees the activations of every MLP in the forward pass. */
  readonly forwardObserver?: BlockObserver;
  /** Takes the gradient with respect to the embedding's output, `[N, H]`; valid only during the call. */
  readonly onInputGradient?: (gradient: tf.Tensor2D) => void;
}

export interface BackwardOptions {
  /**
   * Keep only the inputs of the blocks, `[N, H]` each, and run each block once more before its backward pass
   * (gradient checkpointing): a quarter more time, far less memory. Default false.
   */
  readonly recompute?: boolean;
  /** Where these inputs are kept. Default: in memory. */
  readonly activations?: ActivationStoreOptions;
  /** Ends the pass between two blocks. */
  readonly signal?: AbortSignal | undefined;
}

export type ForwardBackwardRequest<R extends { dHidden?: tf.Tensor2D }> = BackwardSequence<R> &
  BackwardOptions;

/**
 * Runs a model forward, computes a loss, and runs the model backward, block by block. Weight gradients are
 * shown to the observer one after another and freed; on failure everything is freed.
 *
 * @returns What the loss function returned, without `dHidden`.
 * @throws {UsageError} If ids or positions do not fit the model.
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function forwardBackward<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  request: ForwardBackwardRequest<R>,
): Promise<Omit<R, "dHidden">> {
  const [result] = await forwardBackwardEach(model, [request], request);
  return result!;
}

/**
 * {@link forwardBackward} of several batches, each by itself and to the same bits, but block by block together: a
 * block whose weights are read from a disk is read once for all of them in each direction. Observers see the
 * batches in order at every block.
 *
 * @returns What the loss functions returned, in order, without `dHidden`.
 */
export async function forwardBackwardEach<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  sequences: readonly BackwardSequence<R>[],
  options: BackwardOptions = {},
): Promise<Omit<R, "dHidden">[]> {
  const scope = new TensorScope();
  const store = new ActivationStore(options.activations);
  const passes: Pass<R>[] = [];
  try {
    for (const sequence of sequences) {
      const context = model.sequence(sequence.batch, sequence.ids.length / sequence.batch, sequence);
      const pass: Pass<R> = { sequence, context, blocks: [] };
      passes.push(pass);
      pass.x = scope.own(await model.embed(sequence.ids, context));
    }
    await forwardKeeping(model, passes, options, store, scope);
    const results: Omit<R, "dHidden">[] = [];
    for (const pass of passes) results.push(await lossBackward(model, pass, scope));
    await backwardBlocks(model, passes, options, store, scope);
    for (const { sequence, dx, headGradient } of passes) {
      if (!dx) continue;
      sequence.onInputGradient?.(dx);
      model.embedBackward(sequence.ids, dx, sequence.observer ?? {}, headGradient);
    }
    return results;
  } finally {
    scope.dispose();
    store.dispose();
    for (const { context } of passes) context.dispose();
  }
}

/** A batch on its way through the model and back. */
interface Pass<R extends { dHidden?: tf.Tensor2D }> {
  readonly sequence: BackwardSequence<R>;
  readonly context: SequenceContext;
  readonly blocks: KeptBlock[];
  /** Input of the next block on the way forward. */
  x?: tf.Tensor2D;
  /** Gradient with respect to the output of the next block on the way back. None below where nothing is wanted. */
  dx?: tf.Tensor2D;
  /** Of a head that is the embedding, too. */
  headGradient?: tf.Tensor2D | undefined;
}

/** What the backward pass of one block starts from: its saved tensors, or its input to compute them from. */
type KeptBlock = { readonly saved: BlockSaved } | { readonly input: KeptActivation };

async function forwardKeeping<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  passes: readonly Pass<R>[],
  { recompute = false, signal }: BackwardOptions,
  store: ActivationStore,
  scope: TensorScope,
): Promise<void> {
  for (let index = 0; index < model.config.numLayers; index++) {
    await withBlockHeld(model, index, async () => {
      for (const pass of passes) {
        const { context, sequence } = pass;
        const x = pass.x!;
        pass.x = await withBlock(model, index, signal, (block) => {
          if (recompute) return scope.own(block.forward(x, context, sequence.forwardObserver));
          const { output, saved } = block.forwardSaving(x, context, sequence.forwardObserver);
          pass.blocks.push({ saved: scope.ownAll(saved) });
          return scope.own(output);
        });
        if (recompute) pass.blocks.push({ input: await store.keep(scope.handOver(x)) });
        else scope.free(x);
      }
    });
  }
}

/** The loss of a batch, and its gradient back to the output of the last block. */
async function lossBackward<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  pass: Pass<R>,
  scope: TensorScope,
): Promise<Omit<R, "dHidden">> {
  const { ids, batch, observer = {}, lossFn } = pass.sequence;
  const last = pass.x!;
  const head = headGradients(model, observer, scope);
  const hidden = scope.own(model.finalNorm(last));
  const { dHidden, ...result } = await lossFn({
    hidden,
    head: model.head,
    ids,
    batch,
    needGradient: true,
    ...(head && { onHeadGradient: head.add }),
  });
  if (!dHidden) throw new SdmPruneError("forwardBackward: lossFn must return dHidden, got none.");
  scope.own(dHidden);
  scope.free(hidden);
  pass.headGradient = head?.finish();
  pass.dx = scope.own(model.finalNormBackward(last, dHidden, observer));
  scope.free(last, dHidden);
  return result;
}

async function backwardBlocks<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  passes: readonly Pass<R>[],
  { signal }: BackwardOptions,
  store: ActivationStore,
  scope: TensorScope,
): Promise<void> {
  for (let index = model.config.numLayers - 1; index >= 0; index--) {
    await withBlockHeld(model, index, async () => {
      for (const pass of passes) {
        const { context, sequence } = pass;
        const kept = pass.blocks[index]!;
        const dy = pass.dx!;
        const input = "input" in kept ? scope.own(await store.take(kept.input)) : undefined;
        const dx = await withBlock(model, index, signal, (block) => {
          const saved = "saved" in kept ? kept.saved : block.recompute(input!, context);
          for (const tensor of Object.values(saved)) if (tensor) scope.handOver(tensor);
          if (index > 0 || wantsBelowMlp(sequence))
            return block.backward(saved, dy, context, sequence.observer);
          block.backwardMlp(saved, dy, context, sequence.observer ?? {});
          return undefined;
        });
        pass.dx = dx && scope.own(dx);
        scope.free(dy, ...(input ? [input] : []));
      }
    });
  }
}

/** Whether somebody wants a gradient from below the first block's MLP: of a weight, or of the model's input. */
function wantsBelowMlp({
  observer,
  onInputGradient,
}: Pick<BackwardSequence<never>, "observer" | "onInputGradient">): boolean {
  return observer?.weight !== undefined || onInputGradient !== undefined;
}

/**
 * Collects the chunks of the head's gradient, if the observer wants it. An untied head's is shown when it is
 * complete; a tied one's is given back, to be added to the embedding's.
 */
function headGradients(
  model: CausalLM,
  observer: BlockObserver,
  scope: TensorScope,
): { add: NonNullable<LossInput["onHeadGradient"]>; finish: () => tf.Tensor2D | undefined } | undefined {
  const { headName } = model;
  if (!observer.weight || !observer.wantsWeight?.(headName)) return undefined;
  const chunks: tf.Tensor2D[] = [];
  return {
    add: (_start, _end, gradient) => void chunks.push(scope.own(tf.clone(gradient))),
    finish() {
      const gradient = scope.own(chunks.length === 1 ? tf.clone(chunks[0]!) : tf.concat2d(chunks, 0)); // [V, H]
      scope.free(...chunks);
      if (model.config.tieWordEmbeddings) return gradient;
      observer.weight!(headName, gradient);
      scope.free(gradient);
      return undefined;
    },
  };
}

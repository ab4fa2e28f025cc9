import { SdmPruneError } from "@sdmprune/core";
import { tf, type LanguageModelHead } from "@sdmprune/tensor";
import type { BlockObserver, BlockSaved } from "./block.js";
import type { CausalLM } from "./causal-lm.js";
import { forwardBlocks, withBlock } from "./forward.js";
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

export interface ForwardBackwardRequest<R extends { dHidden?: tf.Tensor2D }> extends Omit<
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
  /**
   * Keep only the inputs of the blocks, `[N, H]` each, and run each block once more before its backward pass
   * (gradient checkpointing): a third more time, far less memory. Default false.
   */
  readonly recompute?: boolean;
  /** Takes the gradient with respect to the embedding's output, `[N, H]`; valid only during the call. */
  readonly onInputGradient?: (gradient: tf.Tensor2D) => void;
  /** Ends the pass between two blocks. */
  readonly signal?: AbortSignal;
}

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
  const { ids, batch, observer = {} } = request;
  const context = model.sequence(batch, ids.length / batch, request);
  const scope = new TensorScope();
  try {
    const { last, blocks } = await forwardKeeping(model, request, context, scope);
    const head = headGradients(model, observer, scope);
    const hidden = scope.own(model.finalNorm(last));
    const { dHidden, ...result } = await request.lossFn({
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
    const headGradient = head?.finish();
    let dx = scope.own(model.finalNormBackward(last, dHidden, observer));
    scope.free(last, dHidden);
    for (let index = model.config.numLayers - 1; index >= 0; index--) {
      const kept = blocks[index]!;
      const before = dx;
      dx = scope.own(
        await withBlock(model, index, request.signal, (block) => {
          const saved = kept.saved ?? savedAgain(block.forwardSaving(kept.x!, context));
          for (const tensor of Object.values(saved)) if (tensor) scope.handOver(tensor);
          return block.backward(saved, before, context, observer);
        }),
      );
      scope.free(before);
      if (kept.x) scope.free(kept.x);
    }
    request.onInputGradient?.(dx);
    model.embedBackward(ids, dx, observer, headGradient);
    return result;
  } finally {
    scope.dispose();
    context.dispose();
  }
}

/** What the backward pass of one block starts from: its saved tensors, or its input to compute them from. */
interface KeptBlock {
  readonly saved?: BlockSaved;
  readonly x?: tf.Tensor2D;
}

async function forwardKeeping<R extends { dHidden?: tf.Tensor2D }>(
  model: CausalLM,
  { ids, recompute = false, forwardObserver, signal }: ForwardBackwardRequest<R>,
  context: SequenceContext,
  scope: TensorScope,
): Promise<{ last: tf.Tensor2D; blocks: KeptBlock[] }> {
  const blocks: KeptBlock[] = [];
  const last = await forwardBlocks(
    model,
    ids,
    context,
    (block, x) => {
      if (recompute) {
        blocks.push({ x: scope.own(tf.clone(x)) });
        return block.forward(x, context, forwardObserver);
      }
      const { output, saved } = block.forwardSaving(x, context, forwardObserver);
      blocks.push({ saved: scope.ownAll(saved) });
      return output;
    },
    { signal },
  );
  return { last: scope.own(last), blocks };
}

function savedAgain({ output, saved }: { output: tf.Tensor2D; saved: BlockSaved }): BlockSaved {
  output.dispose();
  return saved;
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

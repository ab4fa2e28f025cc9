import { InterruptedError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";
import type { Block, BlockObserver } from "./block.js";
import type { CausalLM } from "./causal-lm.js";
import { nextTurn } from "./next-turn.js";
import type { SequenceContext, SequenceOptions } from "./sequence-context.js";
import { TensorScope } from "./tensor-scope.js";

export interface ForwardOptions extends SequenceOptions {
  /** Sees the activations of every MLP. */
  readonly observer?: BlockObserver;
  /** Ends the pass between two blocks. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a model without gradients, block by block.
 *
 * @param ids - `N = batch * length` token ids, row-major.
 * @returns Output of the final norm, which the head takes; shape `[N, H]`. The caller disposes it.
 * @throws {UsageError} If ids or positions do not fit the model.
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function forwardHidden(
  model: CausalLM,
  ids: Int32Array,
  batch: number,
  options: ForwardOptions = {},
): Promise<tf.Tensor2D> {
  const [hidden] = await forwardHiddenEach(model, [{ ...options, ids, batch }], options);
  return hidden!;
}

/** One batch of sequences of a pass that several share block by block. */
export interface ForwardSequence extends Omit<ForwardOptions, "signal"> {
  /** `N = batch * length` token ids, row-major. */
  readonly ids: Int32Array;
  readonly batch: number;
}

/**
 * {@link forwardHidden} of several batches, each by itself and to the same bits, but block by block together: a block
 * whose weights are read from a disk is read once for all of them.
 *
 * @returns Outputs of the final norm, in order; shape `[N, H]`. The caller disposes them.
 */
export async function forwardHiddenEach(
  model: CausalLM,
  sequences: readonly ForwardSequence[],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<tf.Tensor2D[]> {
  const scope = new TensorScope();
  const contexts: SequenceContext[] = [];
  try {
    const xs: tf.Tensor2D[] = [];
    for (const { ids, batch, ...options } of sequences) {
      const context = model.sequence(batch, ids.length / batch, options);
      contexts.push(context);
      xs.push(scope.own(await model.embed(ids, context)));
    }
    for (let index = 0; index < model.config.numLayers; index++) {
      await withBlockHeld(model, index, async () => {
        for (const [i, { observer }] of sequences.entries()) {
          const x = xs[i]!;
          const output = await withBlock(model, index, signal, (block) =>
            block.forward(x, contexts[i]!, observer),
          );
          xs[i] = scope.own(output);
          scope.free(x);
        }
      });
    }
    const hidden = xs.map((x) => scope.own(model.finalNorm(x)));
    return hidden.map((tensor) => scope.handOver(tensor));
  } finally {
    scope.dispose();
    for (const context of contexts) context.dispose();
  }
}

/**
 * Walks the blocks from the embedding up. Each block's input is freed once the block has run.
 *
 * @param step - Runs one block on its input `x`, shape `[N, H]`, and returns its output.
 * @returns Output of the last block; shape `[N, H]`. The caller disposes it.
 */
export async function forwardBlocks(
  model: CausalLM,
  ids: Int32Array,
  context: SequenceContext,
  step: (block: Block, x: tf.Tensor2D) => tf.Tensor2D,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<tf.Tensor2D> {
  let x = await model.embed(ids, context);
  try {
    for (let index = 0; index < model.config.numLayers; index++) {
      const output = await withBlock(model, index, signal, (block) => step(block, x));
      x.dispose();
      x = output;
    }
    return x;
  } catch (error) {
    x.dispose();
    throw error;
  }
}

/** Keeps the weights of a block in memory while `body` makes use of it, more than once. */
export async function withBlockHeld<R>(model: CausalLM, index: number, body: () => Promise<R>): Promise<R> {
  await model.block(index);
  try {
    return await body();
  } finally {
    model.releaseBlock(index);
  }
}

/** Runs `body` with a block whose weights are in memory, after a turn of the event loop. */
export async function withBlock<R>(
  model: CausalLM,
  index: number,
  signal: AbortSignal | undefined,
  body: (block: Block) => R,
): Promise<R> {
  await nextTurn();
  if (signal?.aborted) throw new InterruptedError("Interrupted.");
  const block = await model.block(index);
  try {
    return body(block);
  } finally {
    model.releaseBlock(index);
  }
}

import { InterruptedError } from "@sdmprune/core";
import type { tf } from "@sdmprune/tensor";
import type { Block, BlockObserver } from "./block.js";
import type { CausalLM } from "./causal-lm.js";
import { nextTurn } from "./next-turn.js";
import type { SequenceContext, SequenceOptions } from "./sequence-context.js";

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
  const context = model.sequence(batch, ids.length / batch, options);
  try {
    const last = await forwardBlocks(
      model,
      ids,
      context,
      (block, x) => block.forward(x, context, options.observer),
      options,
    );
    try {
      return model.finalNorm(last);
    } finally {
      last.dispose();
    }
  } finally {
    context.dispose();
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

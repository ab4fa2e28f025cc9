import { startTask, UsageError } from "@sdmprune/core";
import {
  withBlock,
  withBlockHeld,
  type CausalLM,
  type MlpBackwardObservation,
  type SequenceContext,
} from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import type { SweepRequest } from "./calibration-sweep.js";
import type { ImportanceCriterion } from "./criterion.js";
import { finishLayer } from "./finish-scores.js";
import { ScoreAccumulator } from "./score-accumulator.js";
import { sampleName } from "./sweep-samples.js";

export interface PropagatingSweepRequest extends Pick<
  SweepRequest,
  "student" | "samples" | "progress" | "signal" | "task"
> {
  /** Name of the criterion, for errors. */
  readonly importance: string;
  /** A criterion that needs activations and no gradients. */
  readonly criterion: ImportanceCriterion;
  /**
   * The student with one layer's MLP cut to the neurons that `scores` rank best. Called for every layer but
   * the last, once it is scored; the sweep disposes the model it gets.
   */
  readonly cutLayer: (layer: number, scores: Float64Array) => Promise<CausalLM>;
}

/** A sample on its way through the layers. */
interface Traveller {
  readonly name: string;
  readonly context: SequenceContext;
  /** Input of the next layer; shape `[T, H]`. */
  hidden: tf.Tensor2D;
}

/**
 * Scores layer by layer: every sample passes a layer whole, the layer is scored and cut, and what the cut layer puts
 * out feeds the next (Wanda's order). Holds the hidden states of all samples, `[T, H]` each.
 *
 * @throws {UsageError} If the criterion needs gradients, or there are no samples.
 * @throws {NonFiniteError} If a score is not finite; the message names the layer and the sample.
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function propagatingSweep(request: PropagatingSweepRequest): Promise<Float64Array[]> {
  const { student, samples, criterion, importance, cutLayer, signal } = request;
  if (criterion.needs.gradients || !criterion.needs.activations || !criterion.observe) {
    throw new UsageError(
      `importance "${importance}": propagation layer by layer needs a criterion of activations alone.`,
    );
  }
  if (samples.length === 0) {
    throw new UsageError(`importance "${importance}": expected calibration samples, got none.`);
  }
  const { numLayers, intermediateSizes } = student.config;
  const numTokens = samples.reduce((sum, { ids }) => sum + ids.length, 0);
  const sums = new ScoreAccumulator(importance, intermediateSizes, undefined, criterion.numSums);
  const travellers: Traveller[] = [];
  const finished: Float64Array[] = [];
  const task = startTask(request.progress, request.task ?? "score", { total: numLayers, unit: "layers" });
  try {
    for (const sample of samples) {
      const context = student.sequence(1, sample.ids.length);
      try {
        const hidden = await student.embed(sample.ids, context);
        travellers.push({ name: sampleName(sample), context, hidden });
      } catch (error) {
        context.dispose();
        throw error;
      }
    }
    for (let layer = 0; layer < numLayers; layer++) {
      await observeLayer(student, layer, travellers, criterion, sums, signal);
      const weights = await student.mlpWeights(layer);
      try {
        const score = sums.sums[layer]!;
        const counts = { nsamples: samples.length, numTokens };
        finished.push(await finishLayer(importance, criterion, { layer, weights, score, ...counts }));
      } finally {
        tf.dispose({ ...weights });
      }
      if (layer < numLayers - 1)
        await advance(travellers, layer, await cutLayer(layer, finished[layer]!), signal);
      task.advance(layer + 1);
    }
    return finished;
  } finally {
    sums.dispose();
    for (const { hidden, context } of travellers) {
      hidden.dispose();
      context.dispose();
    }
    task.end();
  }
}

/** Shows the criterion what one layer makes of every sample. */
async function observeLayer(
  student: CausalLM,
  layer: number,
  travellers: readonly Traveller[],
  criterion: ImportanceCriterion,
  sums: ScoreAccumulator,
  signal: AbortSignal | undefined,
): Promise<void> {
  const observer = {
    mlp: (observation: unknown) => criterion.observe!(observation as MlpBackwardObservation, sums),
  };
  await withBlockHeld(student, layer, async () => {
    for (const { name, context, hidden } of travellers) {
      await withBlock(student, layer, signal, (block) => block.forward(hidden, context, observer).dispose());
      await sums.flush(name);
    }
  });
}

/** Moves every sample through the cut layer, whose model is disposed. */
async function advance(
  travellers: readonly Traveller[],
  layer: number,
  cut: CausalLM,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await cut.block(layer); // stays in memory for all samples
    for (const traveller of travellers) {
      const { hidden, context } = traveller;
      traveller.hidden = await withBlock(cut, layer, signal, (block) => block.forward(hidden, context));
      hidden.dispose();
    }
  } finally {
    cut.dispose();
  }
}

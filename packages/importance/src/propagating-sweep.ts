import { InterruptedError, startTask, UsageError } from "@sdmprune/core";
import type { CausalLM, MlpBackwardObservation } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import type { SweepRequest } from "./calibration-sweep.js";
import type { ImportanceCriterion } from "./criterion.js";
import { finishLayer } from "./finish-scores.js";
import { ScoreAccumulator } from "./score-accumulator.js";

export interface PropagatingSweepRequest extends Omit<
  SweepRequest,
  "criteria" | "teacher" | "resumeFrom" | "onSample" | "recompute"
> {
  /** Name of the criterion, for errors. */
  readonly importance: string;
  /** A criterion that needs activations and no gradients. */
  readonly criterion: ImportanceCriterion;
  /**
   * The student with one layer's MLP cut to the neurons that `scores` rank best. Called once a layer is scored; the
   * sweep disposes the model it gets.
   */
  readonly cutLayer: (layer: number, scores: Float64Array) => Promise<CausalLM>;
}

/**
 * Scores layer by layer: every sample passes a layer whole, the layer is scored and cut, and what the cut layer puts
 * out feeds the next (Wanda's order). Holds the hidden states of all samples, `[T, H]` each.
 *
 * @throws {UsageError} If the criterion needs gradients.
 * @throws {NonFiniteError} If a score is not finite.
 */
export async function propagatingSweep(request: PropagatingSweepRequest): Promise<Float64Array[]> {
  const { student, samples, criterion, importance, cutLayer, signal } = request;
  if (criterion.needs.gradients || !criterion.observe) {
    throw new UsageError(
      `importance "${importance}": propagation layer by layer needs a criterion of activations alone.`,
    );
  }
  const scores = new ScoreAccumulator(importance, student.config.intermediateSizes);
  const numTokens = samples.reduce((sum, { ids }) => sum + ids.length, 0);
  const mlp = (observation: unknown): void =>
    criterion.observe!(observation as MlpBackwardObservation, scores);
  const task = startTask(request.progress, request.task ?? "score", {
    total: student.config.numLayers,
    unit: "layers",
  });
  const finished: Float64Array[] = [];
  const hidden: tf.Tensor2D[] = [];
  const contexts = samples.map(({ ids }) => student.sequence(1, ids.length));
  try {
    for (const [i, { ids }] of samples.entries()) hidden.push(await student.embed(ids, contexts[i]!));
    for (let layer = 0; layer < student.config.numLayers; layer++) {
      const whole = await student.block(layer);
      for (const [i, sample] of samples.entries()) {
        if (signal?.aborted) throw new InterruptedError("Interrupted while scoring.");
        whole.forward(hidden[i]!, contexts[i]!, { mlp }).dispose();
        await scores.flush(`sample ${sample.document} at token ${sample.offset}`);
      }
      student.releaseBlock(layer);
      const weights = await student.mlpWeights(layer);
      const score = scores.sums[layer]!;
      finished.push(
        await finishLayer(importance, criterion, {
          layer,
          weights,
          score,
          nsamples: samples.length,
          numTokens,
        }),
      );
      tf.dispose({ ...weights });
      await advance(hidden, contexts, layer, await cutLayer(layer, finished[layer]!));
      task.advance(layer + 1);
    }
    return finished;
  } finally {
    scores.dispose();
    tf.dispose(hidden);
    for (const context of contexts) context.dispose();
    task.end();
  }
}

/** Replaces every sample's hidden states by what the cut layer makes of them. */
async function advance(
  hidden: tf.Tensor2D[],
  contexts: readonly ReturnType<CausalLM["sequence"]>[],
  layer: number,
  cut: CausalLM,
): Promise<void> {
  try {
    const block = await cut.block(layer);
    for (const [i, x] of hidden.entries()) {
      hidden[i] = block.forward(x, contexts[i]!);
      x.dispose();
    }
    cut.releaseBlock(layer);
  } finally {
    cut.dispose();
  }
}

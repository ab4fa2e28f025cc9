import { InterruptedError, startTask, UsageError, type ProgressListener } from "@sdmprune/core";
import type { ActivationStoreOptions, CausalLM } from "@sdmprune/models";
import type { tf } from "@sdmprune/tensor";
import { keepsState, type ImportanceCriterion } from "./criterion.js";
import { finishScores, type SampleCounts } from "./finish-scores.js";
import { planSweep, type SweepPlan } from "./plan-sweep.js";
import { ScoreAccumulator, type IncrementListener } from "./score-accumulator.js";
import { sampleName, sweepSamples } from "./sweep-samples.js";
import type { SweepTeacher } from "./sweep-teacher.js";
import { WeightGradientSums } from "./weight-gradients.js";

/** One calibration sample: token ids, and what to call it in an error. */
export interface SweepSample {
  readonly ids: Int32Array;
  readonly document: string;
  readonly offset: number;
}

/** How much memory a sweep may take for time; the scores are the same bit for bit. */
export interface SweepPolicy {
  /** Recompute each block in the backward pass instead of keeping its activations. Default false. */
  readonly recompute?: boolean;
  /**
   * Samples that pass through a block together, each by itself, while its weights are in memory. Default 1: right for
   * weights that stay there.
   */
  readonly microBatch?: number;
  /** Where the inputs of blocks are kept with `recompute`. Default: in memory. */
  readonly activations?: ActivationStoreOptions;
  /** Bytes of logits to keep between the two passes of a loss. Default: that of `languageModelLoss`. */
  readonly keepLogitsBytes?: number | undefined;
}

export interface SweepRequest extends SweepPolicy {
  /** The model whose neurons are scored. */
  readonly student: CausalLM;
  /** The model that distillation losses compare with. Default: the student itself, which is whole then. */
  readonly teacher?: CausalLM | SweepTeacher | undefined;
  readonly samples: readonly SweepSample[];
  /** The criteria to feed, by name; losses that are equal share one backward pass. */
  readonly criteria: ReadonlyMap<string, ImportanceCriterion>;
  readonly progress: ProgressListener;
  readonly signal?: AbortSignal;
  /** What progress calls it. Default `score`. */
  readonly task?: string;
  /** Sums of an interrupted sweep of the same request, to go on from. */
  readonly resumeFrom?: SweepState;
  /** Called after each micro-batch with what a later `resumeFrom` needs. The sums are live: copy or write them. */
  readonly onSample?: (state: SweepState) => void | Promise<void>;
  /** Shown the student's output of the final norm for each sample, `[T, H]`; valid only until it returns. */
  readonly onFinalHidden?: (index: number, hidden: tf.Tensor2D) => void | Promise<void>;
  /**
   * Gives the increments of a sample that is computed elsewhere, asked for in order: then the student computes nothing
   * here, and `microBatch` is 1.
   */
  readonly incrementsOf?: ((index: number) => Promise<SampleIncrements>) | undefined;
  /**
   * Told of every increment of a criterion, by layer in order of the samples; `[F]`, or `[numSums, F]`. Sums of them
   * are what `finish` gets.
   */
  readonly onIncrement?: (importance: string, layer: number, increment: Float32Array) => void;
}

/** What every criterion says of one sample: its increments by layer, in order. */
export type SampleIncrements = ReadonlyMap<string, readonly (readonly Float32Array[])[]>;

/** Where a sweep stands: bit-exact sums over the first `nsamples` samples. */
export interface SweepState extends SampleCounts {
  readonly sums: ReadonlyMap<string, readonly Float64Array[]>;
}

/** Scores by criterion: one float64 vector of shape `[F]` per layer. */
export type ScoreSet = ReadonlyMap<string, readonly Float64Array[]>;

/**
 * Runs a model over the calibration samples once and feeds any number of criteria: forward, loss, backward,
 * block by block. What no criterion asked for is not computed: without needs no model runs, without gradients
 * there is no backward pass, without a blended loss no teacher.
 *
 * Each sample is computed by itself, so that scores do not depend on how samples are grouped. Increments are reduced
 * per sample and summed in float64 in sample order: the same samples give the same bits, whatever the policy.
 *
 * @throws {UsageError} If there are no samples though a criterion needs them, a criterion contradicts itself, or
 *   `resumeFrom` belongs to another request.
 * @throws {NonFiniteError} If a loss or score is not finite; the message names the layer and the sample.
 * @throws {InterruptedError} If `signal` is aborted.
 */
export async function calibrationSweep(request: SweepRequest): Promise<ScoreSet> {
  const plan = planSweep(request.criteria);
  const gradients = createGradientSums(plan);
  try {
    const { sums, ...counts } = await sweepAll(request, plan, gradients);
    return await finishScores(request.student, request.criteria, sums, counts, gradients);
  } finally {
    for (const sums of gradients.values()) sums.dispose();
  }
}

/**
 * The part of {@link calibrationSweep} that looks at samples: sums of increments, which `finish` of the criteria
 * makes scores of.
 *
 * @throws {UsageError} If a criterion wants weight gradients, which are no part of these sums.
 */
export async function accumulateScores(request: SweepRequest): Promise<SweepState> {
  const summing = [...request.criteria].find(([, { needs }]) => needs.weightGradients !== undefined);
  if (summing) {
    throw new UsageError(
      `importance "${summing[0]}": needs weight gradients over all samples at once; expected it in a whole sweep, got a part of one.`,
    );
  }
  return sweepAll(request, planSweep(request.criteria), new Map());
}

async function sweepAll(
  request: SweepRequest,
  plan: SweepPlan,
  gradients: ReadonlyMap<string, WeightGradientSums>,
): Promise<SweepState> {
  const { student, samples, criteria, resumeFrom } = request;
  if (plan.observers.length > 0 && samples.length === 0) {
    throw new UsageError(`importance "${plan.observers[0]}": expected calibration samples, got none.`);
  }
  const { microBatch = 1 } = request;
  if (!Number.isSafeInteger(microBatch) || microBatch < 1) {
    throw new UsageError(`microBatch: expected a positive integer, got ${microBatch}.`);
  }
  const accumulators = createAccumulators(request, student.config.intermediateSizes);
  if (resumeFrom) {
    assertCanResume(criteria);
    resume(accumulators, resumeFrom, samples.length);
  }
  const counts = { nsamples: resumeFrom?.nsamples ?? 0, numTokens: resumeFrom?.numTokens ?? 0 };
  if (plan.observers.length > 0) {
    const task = startTask(request.progress, request.task ?? "score", {
      total: samples.length,
      unit: "samples",
    });
    try {
      if (counts.nsamples > 0) task.advance(counts.nsamples);
      while (counts.nsamples < samples.length) {
        if (request.signal?.aborted) throw new InterruptedError("Interrupted while scoring.");
        const start = counts.nsamples;
        const size = request.incrementsOf ? 1 : microBatch;
        const batch = { start, samples: samples.slice(start, start + size) };
        if (request.incrementsOf) {
          addIncrements(accumulators, await request.incrementsOf(start), sampleName(samples[start]!));
        } else {
          await sweepSamples(request, plan, accumulators, batch, gradients);
        }
        counts.nsamples += batch.samples.length;
        counts.numTokens += batch.samples.reduce((sum, { ids }) => sum + ids.length, 0);
        task.advance(counts.nsamples);
        await request.onSample?.({ ...counts, sums: sumsOf(accumulators) });
      }
    } finally {
      for (const accumulator of accumulators.values()) accumulator.dispose();
      task.end();
    }
  }
  return { ...counts, sums: sumsOf(accumulators) };
}

function createAccumulators(
  { criteria, onIncrement }: SweepRequest,
  widths: readonly number[],
): Map<string, ScoreAccumulator> {
  const create = (name: string): ScoreAccumulator => {
    const listener: IncrementListener = (layer, increment) => onIncrement?.(name, layer, increment);
    return new ScoreAccumulator(name, widths, listener, criteria.get(name)!.numSums);
  };
  return new Map([...criteria.keys()].map((name) => [name, create(name)]));
}

/** Adds up what was computed of a sample elsewhere. */
function addIncrements(
  accumulators: ReadonlyMap<string, ScoreAccumulator>,
  increments: SampleIncrements,
  where: string,
): void {
  for (const [name, accumulator] of accumulators) {
    for (const [layer, ofLayer] of increments.get(name)?.entries() ?? []) {
      for (const increment of ofLayer) accumulator.addValues(layer, increment, where);
    }
  }
}

/** One for each loss of which somebody wants weight gradients, by the names of who does. */
function createGradientSums({ losses }: SweepPlan): Map<string, WeightGradientSums> {
  return new Map(
    losses.flatMap(({ summed, withSquares }) => {
      const sums = new WeightGradientSums(withSquares);
      return summed.map((name) => [name, sums] as const);
    }),
  );
}

/** @throws {UsageError} If a criterion keeps more than the sums that a sweep goes on from. */
function assertCanResume(criteria: SweepRequest["criteria"]): void {
  const stateful = [...criteria].find(([, criterion]) => keepsState(criterion));
  if (!stateful) return;
  throw new UsageError(
    `resumeFrom: importance "${stateful[0]}" keeps more than sums of increments; its sweep must start over.`,
  );
}

/** Takes over the sums of an interrupted sweep. */
function resume(
  accumulators: ReadonlyMap<string, ScoreAccumulator>,
  { sums, nsamples }: SweepState,
  numWanted: number,
): void {
  if (!Number.isSafeInteger(nsamples) || nsamples < 0 || nsamples > numWanted) {
    throw new UsageError(`resumeFrom: expected at most ${numWanted} samples to be done, got ${nsamples}.`);
  }
  for (const [name, accumulator] of accumulators) {
    const before = sums.get(name)?.map(({ length }) => length);
    const widths = accumulator.sums.map(({ length }) => length);
    if (String(before) !== String(widths)) {
      throw new UsageError(
        `resumeFrom: expected sums of "${name}" for MLPs of width [${widths.join(", ")}], got ${before ? `[${before.join(", ")}]` : "none"}.`,
      );
    }
    accumulator.sums.forEach((sum, layer) => sum.set(sums.get(name)![layer]!));
  }
}

function sumsOf(accumulators: ReadonlyMap<string, ScoreAccumulator>): Map<string, readonly Float64Array[]> {
  return new Map([...accumulators].map(([name, { sums }]) => [name, sums]));
}

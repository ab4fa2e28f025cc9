import { InterruptedError, NonFiniteError, silentProgress, startTask, UsageError } from "@sdmprune/core";
import type { ProgressFigures, ProgressListener } from "@sdmprune/core";
import { forwardBackward, forwardHidden, type BlockObserver, type CausalLM } from "@sdmprune/models";
import { tf, type LossSpec } from "@sdmprune/tensor";
import { scheduleFactor, type ScheduleName } from "./learning-rate-schedule.js";
import { microBatch, type MicroBatch } from "./micro-batch.js";
import { AdamWOptimizer, globalNorm, type ParameterGroup } from "./optimizer.js";
import type { Trainable } from "./trainable.js";
import type { TrainingHooks } from "./training-hooks.js";
import { heldOutLoss, trainingLoss } from "./training-loss.js";
import type { TrainingListener, TrainingMetrics } from "./training-metrics.js";
import type { StepBatches, TrainingPlan } from "./training-plan.js";
import { restoreTraining, type SavedTraining, TrainingSnapshot } from "./training-state.js";

/** How to train. Defaults are those of SDMPrune's recovery where it has one. */
export interface TrainingOptions {
  /** Peak learning rate. Default 1e-4. */
  readonly learningRate?: number;
  /** Decoupled; not on biases and norms. Default 0.05. */
  readonly weightDecay?: number;
  /** Default `cosine`. */
  readonly schedule?: ScheduleName;
  /** Default 0. */
  readonly warmupSteps?: number;
  /** Largest global norm of a step's gradient; 0 clips nothing. Default 1. */
  readonly maxGradNorm?: number;
  /** Defaults 0.9, 0.999 and 1e-8. */
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Cross-entropy by default; `blend` distils from `teacher`, at whose temperature `tau` the KL is taken. */
  readonly loss?: LossSpec;
  readonly teacher?: CausalLM | undefined;
  /** Of dropout. Default 0. */
  readonly seed?: number;
  /** Whether positions begin anew in every segment of a packed sequence (default), or only in every sequence. */
  readonly resetPositions?: boolean;
  /** Keeps only the inputs of the blocks and computes the rest again going backward. Default false. */
  readonly recompute?: boolean;
  readonly keepLogitsBytes?: number | undefined;
  /** Held-out sequences, whose loss is measured every `evalEvery` steps and after the last one. */
  readonly heldOut?: readonly MicroBatch[];
  readonly evalEvery?: number | undefined;
  /** Steps between two calls of `save`. Default: never. */
  readonly saveEvery?: number | undefined;
  /** Where to go on. */
  readonly resume?: SavedTraining | undefined;
  readonly progress?: ProgressListener;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainingCallbacks extends Pick<TrainingListener, "step"> {
  readonly hooks?: TrainingHooks | undefined;
  /** Puts a snapshot away; it is valid during the call. */
  save?(snapshot: TrainingSnapshot): Promise<void>;
  /** Puts the batch away that led to a loss that is not finite. @returns Where it is. */
  saveBatch?(batch: StepBatches): Promise<string>;
}

export interface TrainingResult {
  readonly steps: number;
  readonly tokens: number;
  /** Of the last step. */
  readonly metrics: TrainingMetrics | undefined;
}

/**
 * Trains parameters of a model with AdamW. A step's loss is the mean over all target tokens of its micro-batches, as in the
 * Trainer of transformers since 4.46 (`num_items_in_batch`). Everything random is a function of the seed and the step.
 *
 * @throws {NonFiniteError} If a loss or gradient is NaN or infinite.
 * @throws {InterruptedError} If `signal` is aborted; the steps since the last save are lost.
 * @throws {UsageError} If an option is out of range.
 */
export async function train(
  model: CausalLM,
  trainable: Trainable,
  plan: TrainingPlan,
  options: TrainingOptions = {},
  callbacks: TrainingCallbacks = {},
): Promise<TrainingResult> {
  const { progress = silentProgress, signal, saveEvery, evalEvery, heldOut = [] } = options;
  checkTrainingOptions(options);
  const { hooks = {} } = callbacks;
  const { totalSteps } = plan;
  const groups: readonly ParameterGroup[] = [{ parameters: trainable.parameters }, ...(hooks.groups ?? [])];
  const parameters = groups.flatMap((group) => group.parameters);
  const optimizer = new AdamWOptimizer();
  const gradients = new Map<string, tf.Tensor>();
  const task = startTask(progress, "train", { total: totalSteps, unit: "steps" });
  let { step, tokens, elapsedMs } = options.resume ?? { step: 0, tokens: 0, elapsedMs: 0 };
  let metrics: TrainingMetrics | undefined;
  let evalLoss: number | undefined; // the last one measured
  try {
    if (options.resume) restoreTraining(options.resume, parameters, optimizer, hooks);
    while (step < totalSteps) {
      const startedAt = performance.now();
      if (signal?.aborted) throw new InterruptedError("Interrupted.");
      const context = { step: step + 1, totalSteps };
      await hooks.beforeStep?.(context);
      const batches = plan.batchesOf(context.step);
      const { loss, numTokens } = await accumulate(
        model,
        parameters,
        batches,
        context,
        gradients,
        options,
        hooks,
      );
      await hooks.onGradients?.({ ...context, gradients });
      const clipped = groups.filter(({ isClipped = true }) => isClipped).flatMap((group) => group.parameters);
      const gradNorm = await globalNorm(clipped.flatMap(({ name }) => gradients.get(name) ?? []));
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
        throw await nonFinite(context.step, loss, gradNorm, batches, callbacks);
      }
      const learningRate = rateAt(step, totalSteps, options);
      for (const group of groups)
        updateGroup(optimizer, group, gradients, { step, learningRate, gradNorm }, options);
      clear(gradients);
      step++;
      const stepMs = performance.now() - startedAt;
      tokens += numTokens;
      elapsedMs += stepMs;
      const isEvaluated =
        heldOut.length > 0 && (step === totalSteps || (evalEvery !== undefined && step % evalEvery === 0));
      metrics = {
        step,
        loss,
        learningRate,
        gradNorm,
        tokens,
        tokensPerSecond: (1000 * numTokens) / stepMs,
        elapsedMs,
        epoch: batches.epochsDone,
        ...(isEvaluated && { evalLoss: await heldOutLoss(model, heldOut, { signal }) }),
      };
      await hooks.onStep?.(context, metrics);
      await callbacks.step?.(metrics);
      if (saveEvery !== undefined && step % saveEvery === 0 && step < totalSteps) {
        await callbacks.save?.(
          new TrainingSnapshot({ step, tokens, elapsedMs }, parameters, optimizer, hooks),
        );
      }
      evalLoss = metrics.evalLoss ?? evalLoss;
      task.advance(step, figuresOf(metrics, evalLoss));
    }
    return { steps: step, tokens, metrics };
  } finally {
    task.end();
    clear(gradients);
    optimizer.dispose();
  }
}

/** What to watch while training goes on. */
function figuresOf(
  { loss, tokensPerSecond }: TrainingMetrics,
  evalLoss: number | undefined,
): ProgressFigures {
  return { loss, ...(evalLoss !== undefined && { "held out": evalLoss }), "tokens/s": tokensPerSecond };
}

/** Runs the micro-batches of a step and adds their gradients up. */
async function accumulate(
  model: CausalLM,
  parameters: readonly { readonly name: string }[],
  { batches }: StepBatches,
  context: { step: number; totalSteps: number },
  gradients: Map<string, tf.Tensor>,
  {
    loss = { kind: "cross-entropy" },
    teacher,
    seed = 0,
    recompute,
    resetPositions,
    keepLogitsBytes,
    signal,
  }: TrainingOptions,
  hooks: TrainingHooks,
): Promise<{ loss: number; numTokens: number }> {
  const wanted = new Set(parameters.map(({ name }) => name));
  const joined = batches.map((sequences) => microBatch(sequences, resetPositions));
  const numStepTokens = joined.reduce((sum, { rows }) => sum + rows.length, 0);
  const numTokens = joined.reduce((sum, { ids }) => sum + ids.length, 0);
  let sum = 0;
  for (const [i, batch] of joined.entries()) {
    if (batch.rows.length === 0) continue; // nothing to learn from
    const { ids, segments, positions } = batch;
    const { observer, ...pass } = hooks.pass?.({ ...context, microBatch: i }) ?? {};
    const taught = teacher && loss.kind === "blend" && loss.alpha > 0;
    const teacherHidden = taught ? await forwardHidden(teacher, ids, 1, { segments, positions }) : undefined;
    try {
      const result = await forwardBackward(model, {
        ...pass,
        ids,
        batch: 1,
        segments,
        positions,
        dropoutSeed: dropoutSeed(seed, context.step, i),
        recompute: recompute ?? false,
        signal,
        observer: gradientObserver(wanted, gradients, observer),
        lossFn: (input) =>
          trainingLoss(input, {
            batch,
            loss,
            teacher: teacherHidden && { hidden: teacherHidden, head: teacher!.head },
            numStepTokens,
            keepLogitsBytes,
          }),
      });
      sum += result.loss * result.numTokens;
    } finally {
      teacherHidden?.dispose();
    }
  }
  return { loss: numStepTokens === 0 ? 0 : sum / numStepTokens, numTokens };
}

/** Adds up the gradients that are wanted, and shows another observer those that it wants. */
function gradientObserver(
  wanted: ReadonlySet<string>,
  gradients: Map<string, tf.Tensor>,
  other: BlockObserver | undefined,
): BlockObserver {
  return {
    ...(other?.mlp && { mlp: (observation) => other.mlp!(observation) }),
    ...(other?.neuronMask && { neuronMask: (layer, gradient) => other.neuronMask!(layer, gradient) }),
    wantsWeight: (name) => wanted.has(name) || (other?.wantsWeight?.(name) ?? false),
    weight(name, gradient) {
      if (other?.wantsWeight?.(name)) other.weight?.(name, gradient);
      if (!wanted.has(name)) return;
      const before = gradients.get(name);
      gradients.set(name, before ? tf.add(before, gradient) : tf.clone(gradient));
      before?.dispose();
    },
  };
}

/** A stream of dropout for every micro-batch of a training. */
function dropoutSeed(seed: number, step: number, microBatchIndex: number): number {
  return (seed * 1_000_003 + step * 4096 + microBatchIndex) % Number.MAX_SAFE_INTEGER;
}

function rateAt(step: number, totalSteps: number, options: TrainingOptions): number {
  const { learningRate = 1e-4, schedule = "cosine", warmupSteps = 0 } = options;
  return learningRate * scheduleFactor(schedule, step, { warmupSteps, totalSteps });
}

function updateGroup(
  optimizer: AdamWOptimizer,
  group: ParameterGroup,
  gradients: ReadonlyMap<string, tf.Tensor>,
  { step, learningRate, gradNorm }: { step: number; learningRate: number; gradNorm: number },
  {
    weightDecay = 0.05,
    maxGradNorm = 1,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    ...rest
  }: TrainingOptions,
): void {
  const { learningRate: own, isClipped = true } = group;
  const peak = rest.learningRate ?? 1e-4;
  const rate =
    own === undefined ? learningRate : typeof own === "function" ? own(step) : (own * learningRate) / peak;
  const clips = isClipped && maxGradNorm > 0;
  optimizer.apply(group, gradients, {
    step: step + 1,
    learningRate: rate,
    weightDecay: group.weightDecay ?? weightDecay,
    beta1,
    beta2,
    epsilon,
    gradientScale: clips ? Math.min(1, maxGradNorm / (gradNorm + 1e-6)) : 1, // as clip_grad_norm_ of PyTorch
  });
}

async function nonFinite(
  step: number,
  loss: number,
  gradNorm: number,
  batches: StepBatches,
  { saveBatch }: TrainingCallbacks,
): Promise<NonFiniteError> {
  const where = await saveBatch?.(batches);
  return new NonFiniteError(
    `train: step ${step}: expected a finite loss and gradient, got loss ${loss} and gradient norm ${gradNorm}.` +
      `${where === undefined ? "" : ` Its batch is in ${where}.`} Lower the learning rate, or look at these rows.`,
  );
}

function clear(gradients: Map<string, tf.Tensor>): void {
  tf.dispose([...gradients.values()]);
  gradients.clear();
}

function checkTrainingOptions(options: TrainingOptions): void {
  const {
    learningRate = 1e-4,
    weightDecay = 0.05,
    warmupSteps = 0,
    maxGradNorm = 1,
    loss,
    teacher,
  } = options;
  for (const [name, value] of Object.entries({ learningRate, weightDecay, warmupSteps, maxGradNorm })) {
    if (!(value >= 0 && value < Infinity)) {
      throw new UsageError(`${name}: expected a number of at least 0, got ${value}.`);
    }
  }
  if (loss?.kind === "blend" && loss.alpha > 0 && !teacher) {
    throw new UsageError(
      "train: expected a teacher to distil from, got none. Name one, or train by cross-entropy.",
    );
  }
}

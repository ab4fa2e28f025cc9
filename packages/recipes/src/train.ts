import { join } from "node:path";
import { InterruptedError, UsageError, type Run } from "@sdmprune/core";
import {
  allParameters,
  DEFAULT_LORA,
  loraParameters,
  planTraining,
  train as trainModel,
  type LoraConfig,
  type Trainable,
  type TrainingMetrics,
} from "@sdmprune/lora";
import { TrainingFolder, writeAdapter } from "@sdmprune/lora/node";
import { openTokenizer } from "@sdmprune/model-io/node";
import type { CausalLM } from "@sdmprune/models";
import type { LossSpec } from "@sdmprune/tensor";
import { memoryBudget } from "./memory-budget.js";
import { openModel, type OpenedModel } from "./open-model.js";
import { openTrainingSequences, type OpenedTrainingData } from "./open-training-sequences.js";
import { snakeKeys } from "./snake-keys.js";
import { startEngine } from "./start-engine.js";
import type { TrainRequest } from "./train-request.js";
import { writeTrainingReport } from "./report/write-training-report.js";
import { planTrainingMemory } from "./training-memory.js";
import { findTrainingPreset } from "./training-presets.js";
import { writeTrainedModel } from "./write-trained-model.js";

export interface TrainResult {
  /** Folder of the adapter or the trained checkpoint. */
  readonly output: string;
  readonly mode: "lora" | "full";
  readonly steps: number;
  /** Tokens run through the model. */
  readonly tokens: number;
  /** Parameters that were trained. */
  readonly trainedParameters: number;
  /** Of the last step. */
  readonly metrics: TrainingMetrics | undefined;
}

const DEFAULT_MAX_LENGTH = 4096;

/**
 * Trains a model, usually to recover what pruning took: LoRA adapters, or all parameters, by cross-entropy or by distillation from
 * a teacher.
 *
 * @throws {UsageError} If the request contradicts itself or cannot be met.
 * @throws {NonFiniteError} If a loss is not finite; the batch is written down.
 * @throws {InterruptedError} If the run is interrupted; a checkpoint is kept for `resume`.
 */
export async function train(run: Run, asked: TrainRequest): Promise<TrainResult> {
  const request = withTrainingPreset(asked);
  const { mode = "lora", output } = request;
  const model = await openModel(run, request.model);
  const teacher = request.teacher === undefined ? undefined : await openModel(run, request.teacher);
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const maxLength = trainingMaxLength(request, model);
  const { vocabSize } = model.config;
  const data = await openTrainingSequences(run, request, tokenizer, { maxLength, vocabSize });
  const { epochs = 2, batchSize = 1, gradientAccumulation = 16, maxSteps, maxTokens } = request;
  const plan = planTraining(data.epochs, { epochs, batchSize, gradientAccumulation, maxSteps, maxTokens });
  const lora: LoraConfig = { ...DEFAULT_LORA, ...request.lora };

  const identity = await trainingIdentity(run, request, { model, teacher, data, lora, maxLength });
  const { resume = false, force = false, keepCheckpoints: keepLast = 2 } = request;
  const { recompute, poolBytes } = planTrainingMemory(run, {
    config: model.config,
    tokens: maxLength * batchSize,
    mode,
    teacher: teacher?.config,
    budget: await memoryBudget(request.memory),
  });
  await startEngine(run, { ...request, poolBytes }); // checkpoints are read into its tensors
  const {
    folder,
    saved,
    metrics: log,
  } = await TrainingFolder.open(output, identity, { resume, force, keepLast });
  if (saved)
    run.progress({ type: "info", message: `going on after step ${saved.step} of ${plan.totalSteps}` });
  else if (resume) run.progress({ type: "info", message: `No checkpoint in ${output}; starting anew.` });

  const student = await model.family.load(model.checkpoint, model.config);
  let teacherModel: CausalLM | undefined;
  let trainable: Trainable | undefined;
  const listeners = request.listeners ?? [];
  const metrics = [...log.history];
  try {
    teacherModel = await teacher?.family.load(teacher.checkpoint, teacher.config);
    trainable =
      mode === "lora" ? loraParameters(student, lora, { seed: run.seed }) : await allParameters(student);
    const { totalSteps } = plan;
    for (const listener of listeners)
      await listener.start?.({ totalSteps, history: log.history, folder: output });
    const tenth = Math.max(1, Math.ceil(totalSteps / 10));
    const { adapters } = trainable;
    const result = await trainModel(
      student,
      trainable,
      plan,
      {
        ...optimisation(request),
        loss: lossOf(request),
        teacher: teacherModel,
        seed: run.seed,
        recompute,
        heldOut: data.heldOut,
        evalEvery: request.evalEvery ?? tenth,
        saveEvery: request.saveEvery ?? Math.min(100, tenth),
        resume: saved,
        progress: run.progress,
        signal: run.signal,
      },
      {
        async step(each) {
          await log.append(each);
          metrics.push(each);
          for (const listener of listeners) await listener.step?.(each);
        },
        save: (snapshot) =>
          folder.saveCheckpoint(snapshot, async (dir) => {
            if (adapters) await writeAdapter(dir, adapters, { config: lora, base: request.model });
          }),
        saveBatch: (batch) => folder.saveBatch(batch),
      },
    );
    if (adapters) await writeAdapter(output, adapters, { config: lora, base: request.model });
    else await writeTrainedModel(run, model, student, output);
    const trainedParameters = trainable.parameters.reduce((sum, { variable }) => sum + variable.size, 0);
    const { steps, tokens } = result;
    return { output, mode, steps, tokens, trainedParameters, metrics: metrics.at(-1) };
  } catch (error) {
    if (!run.signal.aborted) throw error;
    throw new InterruptedError(
      `Interrupted. What ${join(output, "metrics.jsonl")} shows is kept as of its last checkpoint: --resume goes on from there.`,
      { cause: error },
    );
  } finally {
    await log.close();
    for (const listener of listeners) await listener.end?.();
    const { totalSteps } = plan;
    const { model: name } = request;
    await writeTrainingReport(output, {
      model: name,
      settings: identity,
      metrics,
      totalSteps,
      progress: run.progress,
    });
    trainable?.dispose();
    teacherModel?.dispose();
    student.dispose();
  }
}

function withTrainingPreset(request: TrainRequest): TrainRequest {
  if (request.preset === undefined) return request;
  const { description: _, ...preset } = findTrainingPreset(request.preset);
  if (request.mode !== undefined && request.mode !== preset.mode) {
    throw new UsageError(`preset: "${request.preset}" is for ${preset.mode} training, got ${request.mode}.`);
  }
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  return { ...preset, ...given, lora: { ...preset.lora, ...request.lora } } as TrainRequest;
}

/** Tokens of a sequence. */
export function trainingMaxLength(
  { maxLength = DEFAULT_MAX_LENGTH }: TrainRequest,
  { config }: OpenedModel,
): number {
  return Math.min(maxLength, config.maxPositionEmbeddings);
}

function lossOf({ teacher, alpha = 0.5, tau = 1 }: TrainRequest): LossSpec {
  return teacher === undefined ? { kind: "cross-entropy" } : { kind: "blend", alpha, tau };
}

function optimisation(request: TrainRequest) {
  const {
    learningRate = 1e-4,
    weightDecay = 0.05,
    schedule = "cosine",
    warmupSteps = 0,
    maxGradNorm = 1,
  } = request;
  return { learningRate, weightDecay, schedule, warmupSteps, maxGradNorm } as const;
}

/** All that the result of a training depends on. */
async function trainingIdentity(
  run: Run,
  request: TrainRequest,
  {
    model,
    teacher,
    data,
    lora,
    maxLength,
  }: {
    model: OpenedModel;
    teacher: OpenedModel | undefined;
    data: OpenedTrainingData;
    lora: LoraConfig;
    maxLength: number;
  },
) {
  const { mode = "lora", epochs = 2, batchSize = 1, gradientAccumulation = 16 } = request;
  const { maxSteps, maxTokens, packing = true, longRows = "truncate", evalEvery } = request;
  return snakeKeys({
    model: await model.checkpoint.hash(),
    teacher: await teacher?.checkpoint.hash(),
    mode,
    ...(mode === "lora" && { lora }),
    loss: lossOf(request),
    ...optimisation(request),
    ...{
      epochs,
      batchSize,
      gradientAccumulation,
      maxSteps,
      maxTokens,
      maxLength,
      packing,
      longRows,
      evalEvery,
    },
    data: data.train.files.map(({ sha256 }) => sha256 ?? null),
    numRows: data.train.rows.length,
    numHeldOut: data.heldOut.length,
    seed: run.seed,
  }) as Record<string, never>;
}

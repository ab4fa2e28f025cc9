import { dirname, resolve } from "node:path";
import { ConfigError, UsageError, VERSION, type Run, type RegistryEntry } from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import {
  accumulateScores,
  calibrationSweep,
  keepsState,
  type ImportanceCriterion,
  type ScoreSet,
  type SweepRequest,
} from "@sdmprune/importance";
import { encodeScoreFile, encodeScoreShard, shardRange, type Shard } from "@sdmprune/importance/score-file";
import type { JsonObject } from "@sdmprune/model-io";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { drawCalibration, type CalibrationRequest } from "./calibration.js";
import {
  createCriterion,
  criterionOptions,
  needsSamples,
  optionNames,
  type Options,
} from "./create-criterion.js";
import { checkMemory, memoryBudget, planSweepMemory, sweepPolicy } from "./memory-budget.js";
import { openModel, type OpenedModel } from "./open-model.js";
import { planWorkers, workerPolicy, type WorkerCount } from "./plan-workers.js";
import { assertNewFile } from "./replace-output.js";
import { SampleWorkers } from "./sample-workers.js";
import { ScratchFile } from "./scratch-file.js";
import { snakeKeys } from "./snake-keys.js";
import { startEngine, type EngineRequest } from "./start-engine.js";
import { needsTeacher, poolBytesOfSamples, sweepSize } from "./sweep-size.js";

export interface ScoreRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Registered importances; all are fed by one pass over the samples. */
  readonly importances: readonly string[];
  /** Options of the importances; each gets the ones it knows. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Model that distillation compares with, a folder or a hub id. Default: the model itself. */
  readonly teacher?: string;
  readonly calibration?: CalibrationRequest;
  /** Score file to write. */
  readonly output: string;
  /** Replaces an existing file. */
  readonly force?: boolean;
  /** Memory for the whole process, such as `4GiB`, or `auto` for what is free. Default `auto`. */
  readonly memory?: string;
  /** Samples computed at the same time, each on an engine of its own. Default `auto`: several for small models. */
  readonly workers?: WorkerCount;
}

export interface ScoreResult {
  readonly output: string;
  readonly scores: ScoreSet;
}

/** Scores the MLP neurons of a model by one or more criteria and writes a score file. */
export async function score(run: Run, request: ScoreRequest): Promise<ScoreResult> {
  const scoring = await prepareScoring(run, request);
  return withSweep(run, request, scoring, async (sweep, manifest) => {
    const scores = await calibrationSweep(sweep);
    const bytes = await encodeScoreFile({ importances: scores, stages: [], manifest: await manifest() });
    await writeFileAtomic(request.output, bytes);
    return { output: request.output, scores };
  });
}

export interface ScoreShardRequest extends ScoreRequest {
  /** Which part of the windows to score. */
  readonly shard: Shard;
}

export interface ScoreShardResult extends Shard {
  readonly output: string;
  /** Windows that were scored. */
  readonly nsamples: number;
}

/**
 * Scores a part of the windows and writes a shard file. {@link mergeScores} makes of all shards the same bytes as
 * {@link score} writes.
 *
 * @throws {UsageError} If there are fewer windows than shards, or a criterion cannot be taken apart.
 */
export async function scoreShard(run: Run, request: ScoreShardRequest): Promise<ScoreShardResult> {
  const { shard, output } = request;
  if (shard.index < 1 || shard.index > shard.count) {
    throw new UsageError(
      `shard: expected 1/${shard.count} to ${shard.count}/${shard.count}, got ${shard.index}.`,
    );
  }
  if (typeof request.workers === "number" && request.workers > 1) {
    throw new UsageError(`workers: expected 1 for a shard, got ${request.workers}. Use more shards instead.`);
  }
  const scoring = await prepareScoring(run, request);
  const { calibration, criteria } = scoring;
  const stateful = [...criteria].find(([, criterion]) => keepsState(criterion));
  if (stateful) {
    throw new UsageError(
      `importance "${stateful[0]}": keeps more between windows than sums of increments, so that shards of it cannot be merged. Score it whole.`,
    );
  }
  if (!calibration || calibration.samples.length < shard.count) {
    throw new UsageError(
      `shard: expected at least ${shard.count} windows for ${shard.count} shards, got ${calibration?.samples.length ?? "criteria that look at none"}. Use fewer shards, or score without.`,
    );
  }
  const [start, end] = shardRange(shard, calibration.samples.length);
  return withSweep(run, { ...request, workers: 1 }, scoring, async (sweep, manifest) => {
    const { student } = sweep;
    const increments = new Map<string, Float32Array[][]>();
    for (const [name, criterion] of criteria) {
      if (needsSamples(criterion))
        increments.set(
          name,
          student.config.intermediateSizes.map(() => []),
        );
    }
    const { nsamples, numTokens } = await accumulateScores({
      ...sweep,
      samples: sweep.samples.slice(start, end),
      onIncrement: (importance, layer, increment) => increments.get(importance)![layer]!.push(increment),
    });
    const info = { ...shard, nsamples, numTokens, manifest: await manifest() };
    const numSums = (importance: string): number => criteria.get(importance)!.numSums ?? 1;
    const widths = (importance: string): number[] =>
      student.config.intermediateSizes.map((width) => width * numSums(importance));
    await writeFileAtomic(output, await encodeScoreShard(info, widths, increments));
    return { output, ...shard, nsamples };
  });
}

/** What a request comes to, before the engine starts. */
interface Scoring {
  readonly model: OpenedModel;
  readonly teacher: OpenedModel | undefined;
  readonly criteria: ReadonlyMap<string, ImportanceCriterion>;
  readonly options: Readonly<Record<string, Options>>;
  readonly calibration: CalibrationSet | undefined;
}

async function prepareScoring(run: Run, request: ScoreRequest): Promise<Scoring> {
  checkMemory(request.memory);
  await assertNewFile(request.output, request.force ?? false);
  const model = await openModel(run, request.model);
  const teacher = request.teacher === undefined ? undefined : await openModel(run, request.teacher);
  const { criteria, options } = await createCriteria(run, request);
  const hungry = [...criteria].find(([, criterion]) => needsSamples(criterion));
  const calibration =
    hungry && (await drawCalibration(run, model, request.calibration, `importance "${hungry[0]}"`));
  if (teacher && teacher.config.vocabSize !== model.config.vocabSize) {
    throw new UsageError(
      `teacher: expected the model's vocabulary of ${model.config.vocabSize} tokens, got ${teacher.config.vocabSize}.`,
    );
  }
  return { model, teacher, criteria, options, calibration };
}

/** Runs `body` with the models in place. `manifest` tells where the scores come from. */
async function withSweep<R>(
  run: Run,
  request: ScoreRequest,
  { model, teacher, criteria, options, calibration }: Scoring,
  body: (sweep: SweepRequest, manifest: () => Promise<JsonObject>) => Promise<R>,
): Promise<R> {
  const budget = await memoryBudget(request.memory);
  const samples = calibration?.samples ?? [];
  const poolBytes = poolBytesOfSamples(budget, model, samples);
  const backend = await startEngine(run, { ...request, poolBytes });
  const comparing = [...criteria.values()].some(needsTeacher);
  const plan = planSweepMemory(
    run,
    {
      ...sweepSize(model, samples, [...criteria.values()]),
      ...(comparing && { teacher: teacher ? "other" : "none" }),
    },
    budget,
  );
  const { residency } = plan;
  const spill = new ScratchFile(dirname(resolve(request.output)));
  const student = await model.family.load(model.checkpoint, model.config, { residency });
  const teacherModel = await teacher?.family.load(teacher.checkpoint, teacher.config, { residency });
  const manifest = async (): Promise<JsonObject> =>
    JSON.parse(
      JSON.stringify({
        model_sha256: await model.checkpoint.hash(),
        teacher_sha256: await teacher?.checkpoint.hash(),
        options,
        seed: run.seed,
        calibration: calibration && snakeKeys(calibration.provenance),
        backend: backend.name,
        versions: { sdmprune: VERSION },
      }),
    ) as JsonObject;
  const { count, threads } = planWorkers(run, request, model, samples, [...criteria.values()], plan, budget);
  const workers =
    count > 1
      ? new SampleWorkers(run, count, {
          model: model.checkpoint.dir,
          teacher: teacher?.checkpoint.dir,
          seed: run.seed,
          backend: backend.name,
          threads,
          poolBytes: Math.floor(poolBytes / count),
          scratchFolder: dirname(resolve(request.output)),
        })
      : undefined;
  if (workers) run.progress({ type: "info", message: `${samples.length} samples, ${count} at a time` });
  try {
    const incrementsOf = workers?.sweep(
      {
        ...workerPolicy(plan),
        criteria: Object.entries(options).filter(([name]) => needsSamples(criteria.get(name)!)),
        kept: undefined,
        needsOriginal: false,
        remembers: false,
        samples,
      },
      0,
    );
    const sweep = {
      ...sweepPolicy(plan, spill),
      incrementsOf,
      student,
      teacher: teacherModel,
      samples,
      criteria,
      progress: run.progress,
      signal: run.signal,
    };
    return await body(sweep, manifest);
  } finally {
    await workers?.dispose();
    student.dispose();
    teacherModel?.dispose();
    await spill.close();
  }
}

/** Every importance with those of the options that it has, and these options in full. */
async function createCriteria(
  run: Run,
  { importances, options: asked = {} }: ScoreRequest,
): Promise<{ criteria: Map<string, ImportanceCriterion>; options: Record<string, Options> }> {
  const criteria = new Map<string, ImportanceCriterion>();
  const options: Record<string, Options> = {};
  const used = new Set<string>();
  for (const entry of importances.map((name) => importanceEntry(run, name))) {
    const known = optionNames(entry);
    const own = Object.fromEntries(Object.entries(asked).filter(([key]) => known.includes(key)));
    for (const key of Object.keys(own)) used.add(key);
    options[entry.name] = criterionOptions(run, entry.name, own);
    criteria.set(entry.name, await createCriterion(run, entry.name, own));
  }
  const unused = Object.keys(asked).filter((key) => !used.has(key));
  if (unused.length > 0) {
    throw new ConfigError(`${importances.join(", ")}: no such option as ${unused.join(", ")}.`);
  }
  return { criteria, options };
}

/** @throws {UsageError} If it is the name of a method alone. */
function importanceEntry({ registries }: Run, name: string): RegistryEntry<ImportanceCriterion> {
  if (!registries.importances.has(name) && registries.methods.has(name)) {
    throw new UsageError(
      `importance "${name}": is a method, without a criterion that scores by itself. Use prune --method ${name}: its scores are in pruning/scores.safetensors of the output.`,
    );
  }
  return registries.importances.entry(name);
}

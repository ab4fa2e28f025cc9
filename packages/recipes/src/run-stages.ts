import { TOKENS, UsageError, type Run } from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import {
  calibrationSweep,
  keepsState,
  propagatingSweep,
  type ImportanceCriterion,
} from "@sdmprune/importance";
import { findStageScores, type LayerScores, type StageScores } from "@sdmprune/importance/score-file";
import {
  selectNeurons,
  type Allocation,
  type KeptNeurons,
  type PruningMethod,
  type Stage,
  type TensorEdits,
} from "@sdmprune/pruning";
import type { TensorBackend, tf } from "@sdmprune/tensor";
import { createCriterion, criterionOptions, needsSamples, type Options } from "./create-criterion.js";
import { estimateSweepSeconds, type SweepWork } from "./estimate-sweep.js";
import { formatDuration } from "./format-duration.js";
import { planSweepMemory, sweepPolicy, type MemoryBudget } from "./memory-budget.js";
import type { OpenedModel } from "./open-model.js";
import { HiddenStates, rememberedTeacher } from "./remembered-teacher.js";
import { resumableSweep } from "./resumable-sweep.js";
import { ScratchFile } from "./scratch-file.js";
import { planWorkers, workerPolicy, type WorkerRequest } from "./plan-workers.js";
import { SampleWorkers } from "./sample-workers.js";
import { recordedCall, type ScoreCall, type ScoreSource } from "./score-source.js";
import { StudentModels } from "./student-models.js";
import { needsTeacher, poolBytesOfSamples, sweepSize } from "./sweep-size.js";
import { trainingContext } from "./training-context.js";
import type { WorkFolder } from "./work-folder.js";

export interface RunStagesRequest {
  readonly run: Run;
  readonly model: OpenedModel;
  readonly stages: readonly Stage[];
  readonly allocation: Allocation;
  readonly roundTo: number;
  readonly calibration: CalibrationSet | undefined;
  /** Scores to take instead of running the model. */
  readonly scores: ScoreSource | undefined;
  readonly work: WorkFolder | undefined;
  readonly budget: MemoryBudget;
  /** Samples computed at the same time, and threads of all together. */
  readonly workers: WorkerRequest;
  /** Where temporary files go. */
  readonly scratchFolder: string;
}

export interface StagesResult {
  readonly kept: KeptNeurons;
  /** What every stage scored, for the method's score file. */
  readonly stages: readonly StageScores[];
  /** How, in the same order. */
  readonly calls: readonly ScoreCall[];
  readonly edits: readonly TensorEdits[];
}

/** What the stages of a run have in common. */
interface StageMemory {
  readonly models: StudentModels;
  /** What the original model put out for the samples. */
  readonly known: HiddenStates;
  /** Where a sweep puts what its memory does not hold. */
  readonly spill: ScratchFile;
  /** Started by the first stage that wants them. */
  workers?: SampleWorkers;
}

/** Runs a method's stages one after another, each on the student that the one before left. */
export async function runStages(request: RunStagesRequest): Promise<StagesResult> {
  const models = new StudentModels(request.model);
  const [spill, hiddenFile] = [
    new ScratchFile(request.scratchFolder),
    new ScratchFile(request.scratchFolder),
  ];
  const memory: StageMemory = { models, spill, known: new HiddenStates(hiddenFile) };
  try {
    return await runEach(request, memory);
  } finally {
    await memory.workers?.dispose();
    models.dispose();
    await spill.close();
    await hiddenFile.close();
  }
}

async function runEach(request: RunStagesRequest, memory: StageMemory): Promise<StagesResult> {
  const { run, model, stages, allocation, roundTo, scores: source, work } = request;
  let kept: KeptNeurons = model.shape.widths.map((width) => Int32Array.from({ length: width }, (_, n) => n));
  const done: StageScores[] = [];
  const calls: ScoreCall[] = [];
  const edits: TensorEdits[] = [];
  for (const [i, stage] of stages.entries()) {
    const number = i + 1;
    const student = { kept, isWhole: i === 0 };
    const result = await stage.run({
      number,
      kept,
      score: async (name, options = {}, { propagateWidths } = {}) => {
        const importance = run.registries.importances.entry(name).name;
        const asked = {
          importance,
          options: {
            ...criterionOptions(run, importance, options),
            ...(propagateWidths && { propagateWidths }),
          },
        };
        const call = source ? recordedCall(source, number, asked) : asked;
        const scores = await stageScores(request, memory, student, {
          number,
          call,
          options,
          propagateWidths,
        });
        done[i] = { importance, scores, ...(i > 0 && { kept: student.kept }) };
        calls[i] = call;
        return scores;
      },
      training: () =>
        trainingContext(request, memory.models, student, { number, name: stage.name }, (call, scores) => {
          done[i] = { importance: call.importance, scores, ...(i > 0 && { kept: student.kept }) };
          calls[i] = call;
        }),
      allocate: (scores, width) => allocation.allocate({ scores, width, roundTo }),
    });
    kept = result.kept;
    if (result.edits) edits.push(result.edits);
    await work?.saveStages(done, calls);
  }
  return { kept, stages: done, calls, edits };
}

/** The model as a stage finds it. */
export interface Student {
  readonly kept: KeptNeurons;
  readonly isWhole: boolean;
}

interface StageCall {
  readonly number: number;
  readonly call: ScoreCall;
  readonly options: Options;
  readonly propagateWidths: readonly number[] | undefined;
}

/** The scores of a stage: out of the score file or the interrupted run if there is one, else computed. */
async function stageScores(
  request: RunStagesRequest,
  memory: StageMemory,
  student: Student,
  stage: StageCall,
): Promise<LayerScores> {
  const { scores, work } = request;
  const { number, call } = stage;
  if (scores) {
    const { importance } = call;
    return findStageScores(scores.file, scores.name, { number, importance, kept: student.kept });
  }
  return work?.finishedStage(number, call)?.scores ?? computeScores(request, memory, student, stage);
}

async function computeScores(
  request: RunStagesRequest,
  memory: StageMemory,
  student: Student,
  { number, call, options, propagateWidths }: StageCall,
): Promise<LayerScores> {
  const { models, known, spill } = memory;
  const { run, model, stages, calibration, work, budget } = request;
  const { importance } = call;
  const criterion = await createCriterion(run, importance, options);
  const samples = calibration?.samples ?? [];
  const task = `stage ${number}: ${importance}`;
  const needsOriginal = !student.isWhole && needsTeacher(criterion);
  // A worker that computed a sample before knows it.
  const isKnown = needsOriginal && (known.hasAll(samples.length) || memory.workers !== undefined);
  const plan = planSweepMemory(
    run,
    {
      ...sweepSize(model, samples, [criterion]),
      ...(needsTeacher(criterion) && { teacher: needsOriginal && !isKnown ? "shared" : "none" }),
      holdsHidden: propagateWidths !== undefined,
    },
    budget,
  );
  const { residency } = plan;
  const studentModel = await models.student(residency, student.isWhole ? undefined : student.kept);
  const common = { student: studentModel, samples, progress: run.progress, signal: run.signal, task };
  if (propagateWidths) {
    return propagatingSweep({
      ...common,
      importance,
      criterion,
      cutLayer: (layer, scores) =>
        models.variant(residency, cutOneLayer(student, layer, scores, propagateWidths[layer]!)),
    });
  }
  const place = work && !keepsState(criterion) ? { work, number, call } : undefined;
  const resumeFrom = await place?.work.sweepState(number, call);
  const left = samples.slice(resumeFrom?.nsamples ?? 0);
  if (resumeFrom) {
    const message = `${task}: going on after ${resumeFrom.nsamples} of ${samples.length} samples`;
    run.progress({ type: "info", message });
  }
  const { count, threads } = planWorkers(run, request.workers, model, left, [criterion], plan, budget);
  if (count === 1) {
    await announce(run, model, task, left, criterion, {
      teacher: needsOriginal && !isKnown,
      recompute: plan.recompute,
    });
  }
  known.limit(plan.maxHiddenBytes);
  const remembers = student.isWhole && number < stages.length;
  if (count > 1) {
    memory.workers ??= startWorkers(request, count, threads);
    run.progress({
      type: "info",
      message: `${task}: ${left.length} samples, ${memory.workers.count} at a time`,
    });
  }
  const incrementsOf =
    count > 1
      ? memory.workers!.sweep(
          {
            ...workerPolicy(plan),
            criteria: [[importance, options]],
            kept: student.isWhole ? undefined : student.kept,
            needsOriginal,
            remembers,
            samples,
          },
          resumeFrom?.nsamples ?? 0,
        )
      : undefined;
  const sweep = {
    ...common,
    ...sweepPolicy(plan, spill),
    incrementsOf,
    teacher: needsOriginal
      ? rememberedTeacher(known, studentModel.head, () => models.original(residency))
      : undefined,
    criteria: new Map([[importance, criterion]]),
    resumeFrom,
    ...(remembers && { onFinalHidden: (index: number, hidden: tf.Tensor2D) => known.put(index, hidden) }),
  };
  if (place) return resumableSweep(sweep, place);
  return (await calibrationSweep(sweep)).get(importance)!;
}

function startWorkers(
  { run, model, calibration, scratchFolder, budget }: RunStagesRequest,
  count: number,
  threads: number,
): SampleWorkers {
  const poolBytes = poolBytesOfSamples(budget, model, calibration?.samples);
  return new SampleWorkers(run, count, {
    model: model.checkpoint.dir,
    teacher: undefined,
    seed: run.seed,
    backend: run.services.resolve<TensorBackend>(TOKENS.backend).name,
    threads,
    poolBytes: Math.floor(poolBytes / count),
    scratchFolder,
  });
}

/** Says how long a stage will take before it starts. */
async function announce(
  run: Run,
  { config, shape }: OpenedModel,
  task: string,
  samples: CalibrationSet["samples"],
  criterion: ImportanceCriterion,
  work: Omit<SweepWork, "backward">,
): Promise<void> {
  if (samples.length === 0 || !needsSamples(criterion)) return;
  const backward = criterion.needs.gradients !== undefined;
  const seconds = await estimateSweepSeconds(config, shape, samples, { ...work, backward });
  run.progress({
    type: "info",
    message: `${task}: ${samples.length} samples, about ${formatDuration(seconds)}`,
  });
}

function cutOneLayer(
  { kept, isWhole }: Student,
  layer: number,
  scores: Float64Array,
  width: number,
): (Int32Array | undefined)[] {
  const best = selectNeurons(scores, width);
  const others = (indices: Int32Array): Int32Array | undefined => (isWhole ? undefined : indices);
  return kept.map((indices, i) => (i === layer ? best.map((n) => indices[n]!) : others(indices)));
}

/** @throws {UsageError} If the combination of method and allocation makes no sense. */
export function assertCanAllocate(name: string, method: PruningMethod, allocation: string): void {
  if (method.decidesWidths && allocation !== "uniform") {
    throw new UsageError(
      `allocation: method "${name}" with these options sets the widths itself and needs "uniform", got "${allocation}".`,
    );
  }
}

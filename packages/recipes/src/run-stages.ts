import { UsageError, type Run } from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import { calibrationSweep, propagatingSweep, type ImportanceCriterion } from "@sdmprune/importance";
import { findStageScores, type LayerScores, type StageScores } from "@sdmprune/importance/score-file";
import type { CausalLM } from "@sdmprune/models";
import {
  selectNeurons,
  type Allocation,
  type KeptNeurons,
  type Stage,
  type TensorEdits,
} from "@sdmprune/pruning";
import { createCriterion, criterionOptions, needsSamples, type Options } from "./create-criterion.js";
import { estimateSweepSeconds } from "./estimate-sweep.js";
import { formatDuration } from "./format-duration.js";
import type { OpenedModel } from "./open-model.js";
import { resumableSweep } from "./resumable-sweep.js";
import { recordedCall, type ScoreCall, type ScoreSource } from "./score-source.js";
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
}

export interface StagesResult {
  readonly kept: KeptNeurons;
  /** What every stage scored, for the method's score file. */
  readonly stages: readonly StageScores[];
  /** How, in the same order. */
  readonly calls: readonly ScoreCall[];
  readonly edits: readonly TensorEdits[];
}

/** Runs a method's stages one after another, each on the student that the one before left. */
export async function runStages(request: RunStagesRequest): Promise<StagesResult> {
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
        const scores = await stageScores(request, student, { number, call, options, propagateWidths });
        done[i] = { importance, scores, ...(i > 0 && { kept: student.kept }) };
        calls[i] = call;
        return scores;
      },
      allocate: (scores, width) => allocation.allocate({ scores, width, roundTo }),
    });
    kept = result.kept;
    if (result.edits) edits.push(result.edits);
    await work?.saveStages(done, calls);
  }
  return { kept, stages: done, calls, edits };
}

interface Student {
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
  student: Student,
  stage: StageCall,
): Promise<LayerScores> {
  const { scores, work } = request;
  const { number, call } = stage;
  if (scores) {
    const { importance } = call;
    return findStageScores(scores.file, scores.name, { number, importance, kept: student.kept });
  }
  return work?.finishedStage(number, call)?.scores ?? computeScores(request, student, stage);
}

async function computeScores(
  { run, model, calibration, work }: RunStagesRequest,
  student: Student,
  { number, call, options, propagateWidths }: StageCall,
): Promise<LayerScores> {
  const { importance } = call;
  const criterion = await createCriterion(run, importance, options);
  const samples = calibration?.samples ?? [];
  const task = `stage ${number}: ${importance}`;
  const load = (kept?: KeptNeurons): Promise<CausalLM> =>
    model.family.load(model.checkpoint, model.config, kept && { view: kept });
  const studentModel = await load(student.isWhole ? undefined : student.kept);
  const teacher = !student.isWhole && needsTeacher(criterion) ? await load() : undefined;
  const common = { student: studentModel, samples, progress: run.progress, signal: run.signal, task };
  try {
    if (propagateWidths) {
      return await propagatingSweep({
        ...common,
        importance,
        criterion,
        cutLayer: (layer, scores) => load(cutOneLayer(student.kept, layer, scores, propagateWidths[layer]!)),
      });
    }
    const place = work && criterion.isStateful !== true ? { work, number, call } : undefined;
    const resumeFrom = await place?.work.sweepState(number, call);
    const left = samples.slice(resumeFrom?.nsamples ?? 0);
    if (resumeFrom) {
      const message = `${task}: going on after ${resumeFrom.nsamples} of ${samples.length} samples`;
      run.progress({ type: "info", message });
    }
    await announce(run, model, task, left, criterion, teacher !== undefined);
    const sweep = { ...common, teacher, criteria: new Map([[importance, criterion]]), resumeFrom };
    if (place) return await resumableSweep(sweep, place);
    return (await calibrationSweep(sweep)).get(importance)!;
  } finally {
    studentModel.dispose();
    teacher?.dispose();
  }
}

/** Says how long a stage will take before it starts. */
async function announce(
  run: Run,
  { config, shape }: OpenedModel,
  task: string,
  samples: CalibrationSet["samples"],
  criterion: ImportanceCriterion,
  teacher: boolean,
): Promise<void> {
  if (samples.length === 0 || !needsSamples(criterion)) return;
  const backward = criterion.needs.gradients !== undefined;
  const seconds = await estimateSweepSeconds(config, shape, samples, { backward, teacher });
  run.progress({
    type: "info",
    message: `${task}: ${samples.length} samples, about ${formatDuration(seconds)}`,
  });
}

function needsTeacher({ needs }: ImportanceCriterion): boolean {
  const loss = needs.gradients?.loss;
  return typeof loss === "object" && loss.kind === "blend" && loss.alpha > 0;
}

function cutOneLayer(kept: KeptNeurons, layer: number, scores: Float64Array, width: number): KeptNeurons {
  const best = selectNeurons(scores, width);
  return kept.map((indices, i) => (i === layer ? best.map((n) => indices[n]!) : indices));
}

/** @throws {UsageError} If the combination of method and allocation makes no sense. */
export function assertCanAllocate(allocation: string, methodOptions: Options): void {
  if (methodOptions["propagate"] === true && allocation !== "uniform") {
    throw new UsageError(`allocation: propagation layer by layer needs "uniform", got "${allocation}".`);
  }
}

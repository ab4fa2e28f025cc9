import { tmpdir } from "node:os";
import type { Run } from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import { calibrationSweep, type ImportanceCriterion } from "@sdmprune/importance";
import type { LayerScores } from "@sdmprune/importance/score-file";
import { createCriterion } from "../create-criterion.js";
import { memoryBudget, planSweepMemory, sweepPolicy } from "../memory-budget.js";
import type { OpenedModel } from "../open-model.js";
import { ScratchFile } from "../scratch-file.js";
import type { ScoreCall } from "../score-source.js";
import { startEngine, type EngineRequest } from "../start-engine.js";
import { StudentModels } from "../student-models.js";
import { needsTeacher, poolBytesOfSamples, sweepSize } from "../sweep-size.js";
import type { WantedCall } from "./replay-stages.js";

export interface SharedSweepRequest extends EngineRequest {
  readonly model: OpenedModel;
  readonly kept: WantedCall["kept"];
  /** What is wanted of this student, each call once. */
  readonly calls: readonly ScoreCall[];
  readonly samples: CalibrationSet["samples"];
  readonly memory?: string | undefined;
  readonly task: string;
}

/** Computes the scores of several calls on the same student in one pass over the samples; in the order of the calls. */
export async function sharedSweep(run: Run, request: SharedSweepRequest): Promise<LayerScores[]> {
  const { model, kept, calls, samples } = request;
  const names = calls.map(({ importance }, i) => (i === 0 ? importance : `${importance} (${i + 1})`));
  const criteria = new Map<string, ImportanceCriterion>();
  for (const [i, { importance, options }] of calls.entries()) {
    criteria.set(names[i]!, await createCriterion(run, importance, options));
  }
  const all = [...criteria.values()];
  const budget = await memoryBudget(request.memory);
  const poolBytes = poolBytesOfSamples(budget, model, samples);
  await startEngine(run, { ...request, poolBytes });
  const comparesWithOriginal = kept !== undefined && all.some(needsTeacher);
  const plan = planSweepMemory(
    run,
    {
      ...sweepSize(model, samples, all),
      ...(all.some(needsTeacher) && { teacher: comparesWithOriginal ? "shared" : "none" }),
    },
    budget,
  );
  const spill = new ScratchFile(tmpdir());
  const models = new StudentModels(model);
  try {
    const student = await models.student(plan.residency, kept);
    const scores = await calibrationSweep({
      ...sweepPolicy(plan, spill),
      student,
      teacher: comparesWithOriginal ? await models.original(plan.residency) : undefined,
      samples,
      criteria,
      progress: run.progress,
      signal: run.signal,
      task: request.task,
    });
    return names.map((name) => scores.get(name)!);
  } finally {
    models.dispose();
    await spill.close();
  }
}

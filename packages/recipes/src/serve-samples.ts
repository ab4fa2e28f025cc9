import type { MessagePort } from "node:worker_threads";
import { errorMessage, silentProgress, type Host, type Run } from "@sdmprune/core";
import {
  accumulateScores,
  modelTeacher,
  type ImportanceCriterion,
  type SweepTeacher,
} from "@sdmprune/importance";
import type { CausalLM } from "@sdmprune/models";
import { createCriterion } from "./create-criterion.js";
import { openModel } from "./open-model.js";
import { HiddenStates, rememberedTeacher } from "./remembered-teacher.js";
import type { WorkerAnswer, WorkerSetup, WorkerSweep } from "./sample-workers.js";
import { ScratchFile } from "./scratch-file.js";
import { startEngine } from "./start-engine.js";
import { StudentModels } from "./student-models.js";

/**
 * The other side of `SampleWorkers`, in a thread: takes a setup, then sweeps one after another, and answers with the
 * increments of each sample. Ends with its thread.
 */
export function serveSamples(host: Host, port: MessagePort): void {
  let worker: Promise<SampleWorker> | undefined;
  let turn: Promise<void> = Promise.resolve();
  port.on("message", (message: WorkerSetup | WorkerSweep) => {
    if (!("samples" in message)) {
      worker = SampleWorker.open(host, message);
      worker.catch(() => undefined); // told to the first sweep
      return;
    }
    turn = turn.then(async () => {
      let index = message.first;
      try {
        const { samples, step } = message;
        if (index >= samples.length) return;
        const compute = await (await worker!).begin(message);
        for (; index < samples.length; index += step) port.postMessage(await compute(index));
      } catch (error) {
        const name = error instanceof Error ? error.name : "Error";
        const answer: WorkerAnswer = { index, error: { name, message: errorMessage(error) } };
        port.postMessage(answer);
      }
    });
  });
}

class SampleWorker {
  private constructor(
    private readonly run: Run,
    private readonly models: StudentModels,
    private readonly teacher: ((residency: WorkerSweep["residency"]) => Promise<CausalLM>) | undefined,
    private readonly known: HiddenStates,
  ) {}

  static async open(host: Host, setup: WorkerSetup): Promise<SampleWorker> {
    const run = host.createRun({ progress: silentProgress, seed: setup.seed });
    await startEngine(run, setup);
    const model = await openModel(run, setup.model);
    const other = setup.teacher === undefined ? undefined : await openModel(run, setup.teacher);
    let loaded: Promise<CausalLM> | undefined;
    return new SampleWorker(
      run,
      new StudentModels(model),
      other && ((residency) => (loaded ??= other.family.load(other.checkpoint, other.config, { residency }))),
      new HiddenStates(new ScratchFile(setup.scratchFolder)),
    );
  }

  /** Prepares a sweep. */
  async begin(sweep: WorkerSweep): Promise<(index: number) => Promise<WorkerAnswer>> {
    const { run, models, known } = this;
    const { kept, residency, recompute, keepLogitsBytes, samples } = sweep;
    const criteria = new Map<string, ImportanceCriterion>();
    for (const [name, options] of sweep.criteria)
      criteria.set(name, await createCriterion(run, name, options));
    const student = await models.student(residency, kept);
    known.limit(sweep.maxHiddenBytes);
    const teacher = await this.#teacherFor(sweep, student);
    return async (index) => {
      const increments = new Map<string, Float32Array[][]>();
      for (const name of criteria.keys()) {
        increments.set(
          name,
          student.config.intermediateSizes.map(() => []),
        );
      }
      await accumulateScores({
        student,
        samples: [samples[index]!],
        criteria,
        recompute,
        keepLogitsBytes,
        progress: silentProgress,
        teacher: teacher && {
          head: teacher.head,
          finalHidden: (batch, signal) => teacher.finalHidden({ ...batch, start: index }, signal),
        },
        onIncrement: (name, layer, increment) => increments.get(name)![layer]!.push(increment),
        ...(sweep.remembers && { onFinalHidden: (_, hidden) => known.put(index, hidden) }),
      });
      return { index, increments };
    };
  }

  async #teacherFor(sweep: WorkerSweep, student: CausalLM): Promise<SweepTeacher | undefined> {
    const { residency } = sweep;
    if (this.teacher) return modelTeacher(await this.teacher(residency));
    if (!sweep.needsOriginal) return undefined;
    return rememberedTeacher(this.known, student.head, () => this.models.original(residency));
  }
}

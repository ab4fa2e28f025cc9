import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, UsageError } from "@sdmprune/core";
import { openSafetensors, parseJsonObject, type JsonObject } from "@sdmprune/model-io";
import { AtomicFolder, FileByteSource, writeFileAtomic, writeSafetensors } from "@sdmprune/model-io/node";
import type { StepBatches } from "../training-plan.js";
import { openMetricsLog, type MetricsLog } from "./reporting/metrics-log.js";
import { readSnapshotTensors, type SavedTraining, type TrainingSnapshot } from "../training-state.js";

const REQUEST = "training.json";
const STATE = "state.json";
const TENSORS = "state.safetensors";
const CHECKPOINT = /^checkpoint-(\d+)$/;

/**
 * The folder of a training: what was asked for (`training.json`), a line per step (`metrics.jsonl`), and the last checkpoints
 * (`checkpoint-<step>`), each of which appears whole or not at all.
 */
export class TrainingFolder {
  private constructor(
    readonly path: string,
    private readonly keepLast: number,
  ) {}

  /**
   * Opens the folder of a new training, or of one to go on with.
   *
   * @param request - All that the result depends on.
   * @throws {UsageError} If a training is there and neither `resume` nor `force` is given, or the one to go on with was asked
   *   for otherwise.
   */
  static async open(
    path: string,
    request: JsonObject,
    { resume, force, keepLast = 2 }: { resume: boolean; force: boolean; keepLast?: number },
  ): Promise<{ folder: TrainingFolder; saved: SavedTraining | undefined; metrics: MetricsLog }> {
    const folder = new TrainingFolder(path, keepLast);
    const text = `${JSON.stringify(request, null, 2)}\n`;
    const before = await readFile(join(path, REQUEST), "utf8").catch(() => undefined);
    const others = (await readdir(path).catch(() => [])).length > 0;
    if (resume && before !== undefined) {
      if (before !== text) {
        throw new UsageError(
          `resume: the training in ${path} was asked for otherwise (${firstDifference(before, text)}). Repeat that one, or begin another elsewhere.`,
        );
      }
      const saved = await folder.#lastCheckpoint();
      return { folder, saved, metrics: await openMetricsLog(path, { lastStep: saved?.step ?? 0 }) };
    }
    if (before !== undefined && !force) {
      throw new UsageError(
        `${path}: expected no training there yet, got one. Go on with --resume, or replace it with --force.`,
      );
    }
    if (before === undefined && others) {
      throw new UsageError(
        `${path}: expected nothing there yet, or a training, got other files. Choose another folder.`,
      );
    }
    if (before !== undefined) await rm(path, { recursive: true, force: true });
    await writeFileAtomic(join(path, REQUEST), text);
    return { folder, saved: undefined, metrics: await openMetricsLog(path, { lastStep: 0 }) };
  }

  /**
   * Writes a checkpoint and deletes the oldest beyond those to keep.
   *
   * @param more - Writes further files into the folder.
   */
  async saveCheckpoint(snapshot: TrainingSnapshot, more?: (dir: string) => Promise<void>): Promise<void> {
    const { progress } = snapshot;
    const folder = await AtomicFolder.begin(join(this.path, `checkpoint-${progress.step}`), { force: true });
    try {
      await writeSafetensors(join(folder.path, TENSORS), snapshot.tensors());
      const state = { ...progress, momentSteps: snapshot.momentSteps() };
      await folder.writeFile(STATE, `${JSON.stringify(state, null, 2)}\n`);
      await more?.(folder.path);
      await folder.commit();
    } finally {
      await folder.discard();
    }
    const steps = await this.#checkpoints();
    for (const step of steps.slice(0, Math.max(0, steps.length - this.keepLast))) {
      await rm(this.#checkpointPath(step), { recursive: true, force: true });
    }
  }

  /** Writes a batch that training cannot go on with. @returns The file. */
  async saveBatch({ batches, names }: StepBatches): Promise<string> {
    const path = join(this.path, "bad-batch.json");
    const json = batches.map((sequences, i) => ({
      rows: names[i],
      sequences: sequences.map(({ ids, labels, segmentLengths }) => ({
        input_ids: [...ids],
        labels: [...labels],
        segment_lengths: segmentLengths,
      })),
    }));
    await mkdir(this.path, { recursive: true });
    await writeFileAtomic(path, `${JSON.stringify(json)}\n`);
    return path;
  }

  async #lastCheckpoint(): Promise<SavedTraining | undefined> {
    const step = (await this.#checkpoints()).at(-1);
    if (step === undefined) return undefined;
    const dir = this.#checkpointPath(step);
    const where = join(dir, STATE);
    const state = parseJsonObject(await readFile(where, "utf8"), where);
    const { tokens, elapsedMs, momentSteps } = state;
    if (state["step"] !== step || typeof tokens !== "number" || typeof elapsedMs !== "number") {
      throw new FormatError(
        `${where}: expected the state of step ${step}. Delete ${dir} to go on from an earlier one.`,
      );
    }
    const source = await FileByteSource.open(join(dir, TENSORS));
    const tensors = await readSnapshotTensors(await openSafetensors(source, join(dir, TENSORS)));
    return { step, tokens, elapsedMs, momentSteps: momentSteps as Record<string, number>, tensors };
  }

  /** Steps of the checkpoints, ascending. */
  async #checkpoints(): Promise<number[]> {
    const names = await readdir(this.path).catch(() => []);
    return names
      .flatMap((name) => Number(CHECKPOINT.exec(name)?.[1] ?? NaN))
      .filter((step) => !Number.isNaN(step))
      .sort((a, b) => a - b);
  }

  #checkpointPath(step: number): string {
    return join(this.path, `checkpoint-${step}`);
  }
}

function firstDifference(before: string, now: string): string {
  const [a, b] = [before.split("\n"), now.split("\n")];
  const i = a.findIndex((line, n) => line !== b[n]);
  return `${a[i]?.trim() ?? "nothing"} then, ${b[i]?.trim() ?? "nothing"} now`;
}

import { createHash } from "node:crypto";
import { access, readFile, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FormatError, UsageError, type ProgressListener } from "@sdmprune/core";
import type { SweepState } from "@sdmprune/importance";
import {
  encodeScoreFile,
  readScoreFile,
  type ScoreFile,
  type StageScores,
} from "@sdmprune/importance/score-file";
import { MemoryByteSource, type JsonValue } from "@sdmprune/model-io";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import type { ScoreCall } from "./score-source.js";

/** Part of the time that saving a sweep may take: the dearer a save is, the rarer. */
const SAVING_SHARE = 0.02;

const STAGES_FILE = "stages.safetensors";

/**
 * What an interrupted run leaves beside its output, `.<name>.work`, so that the next one can go on: the finished
 * stages and the running sums of the one under way. It is made with the first save, and only ever used by a run with
 * the same request: every file names the request it belongs to.
 */
export class WorkFolder {
  #savedAt = -Infinity;
  #saveMs = 0;
  #hasRequest = false;

  private constructor(
    readonly path: string,
    private readonly request: string,
    private readonly finished: Saved | undefined,
  ) {}

  /**
   * Opens the work folder of an output.
   *
   * @param request - Everything the scores depend on, as a JSON value.
   * @param resume - Go on from what is there; otherwise it is deleted.
   * @throws {UsageError} If it is to be resumed, and was made by another request.
   */
  static async open(
    output: string,
    request: JsonValue,
    { resume, progress }: { resume: boolean; progress: ProgressListener },
  ): Promise<WorkFolder> {
    const path = workPath(output);
    const text = `${JSON.stringify(request, null, 2)}\n`;
    const before = await readFile(join(path, "request.json"), "utf8").catch(() => undefined);
    if (resume && before !== undefined) {
      if (before !== text) {
        throw new UsageError(
          `resume: the interrupted run of ${output} had another request (${firstDifference(before, text)}). Repeat that one, or leave out --resume to start over.`,
        );
      }
      return new WorkFolder(path, text, await readSaved(join(path, STAGES_FILE), digest(text)));
    }
    if (before !== undefined) {
      const message = "Starting over; an interrupted run was found, which --resume would have continued.";
      progress({ type: "info", message });
    }
    if (resume)
      progress({ type: "info", message: `No interrupted run of ${output} was found; starting anew.` });
    await rm(path, { recursive: true, force: true });
    return new WorkFolder(path, text, undefined);
  }

  /** Whether an interrupted run left anything for this output. */
  static async exists(output: string): Promise<boolean> {
    return access(workPath(output)).then(
      () => true,
      () => false,
    );
  }

  /** The scores of a stage that an earlier run finished, if they were made by the same call. */
  finishedStage(number: number, call: ScoreCall): StageScores | undefined {
    const stage = this.finished?.file.stages[number - 1];
    return stage && this.finished?.calls[number - 1] === JSON.stringify(call) ? stage : undefined;
  }

  /** Keeps the stages finished so far. */
  async saveStages(stages: ScoreFile["stages"], calls: readonly ScoreCall[]): Promise<void> {
    if (stages.length === 0) return;
    await this.#write(
      STAGES_FILE,
      { importances: new Map(), stages },
      { calls: calls.map((c) => JSON.stringify(c)) },
    );
  }

  /** Where the sweep of a stage stood when it was last saved. */
  async sweepState(stage: number, call: ScoreCall): Promise<SweepState | undefined> {
    const saved = await readSaved(join(this.path, sweepFile(stage)), digest(this.request));
    if (saved?.calls[0] !== JSON.stringify(call)) return undefined;
    const { nsamples, numTokens } = saved.file.manifest;
    if (typeof nsamples !== "number" || typeof numTokens !== "number") return undefined;
    return { sums: saved.file.importances, nsamples, numTokens };
  }

  /** Saves where the sweep of a stage stands, unless that would take up too much of the time since the last save. */
  async saveSweep(
    stage: number,
    call: ScoreCall,
    { sums, nsamples, numTokens }: SweepState,
    { now = false }: { now?: boolean } = {},
  ): Promise<void> {
    const startedAt = performance.now();
    if (!now && (startedAt - this.#savedAt) * SAVING_SHARE < this.#saveMs) return;
    const manifest = { calls: [JSON.stringify(call)], nsamples, numTokens };
    await this.#write(sweepFile(stage), { importances: sums, stages: [] }, manifest);
    this.#savedAt = performance.now();
    this.#saveMs = this.#savedAt - startedAt;
  }

  /** Deletes it: the run has ended, or going on would end in the same error. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async #write(
    name: string,
    scores: Pick<ScoreFile, "importances" | "stages">,
    manifest: ScoreFile["manifest"],
  ): Promise<void> {
    const bytes = await encodeScoreFile({
      ...scores,
      manifest: { request: digest(this.request), ...manifest },
    });
    if (!this.#hasRequest) await writeFileAtomic(join(this.path, "request.json"), this.request);
    this.#hasRequest = true;
    await writeFileAtomic(join(this.path, name), bytes);
  }
}

/** A saved file, and the calls that its scores come from, as JSON. */
interface Saved {
  readonly file: ScoreFile;
  readonly calls: readonly string[];
}

/** @throws {FormatError} If the file is damaged. */
async function readSaved(path: string, request: string): Promise<Saved | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) return undefined;
  const file = await readScoreFile(new MemoryByteSource(bytes), path);
  if (file.manifest["request"] !== request) return undefined;
  const { calls } = file.manifest;
  if (!Array.isArray(calls)) {
    throw new FormatError(
      `${path}: expected what an interrupted run saves, got other scores. Leave out --resume to start over.`,
    );
  }
  return { file, calls: calls.map(String) };
}

function workPath(output: string): string {
  return join(dirname(resolve(output)), `.${basename(resolve(output))}.work`);
}

function sweepFile(stage: number): string {
  return `sweep-stage${stage}.safetensors`;
}

function digest(request: string): string {
  return createHash("sha256").update(request).digest("hex");
}

function firstDifference(before: string, now: string): string {
  const [a, b] = [before.split("\n"), now.split("\n")];
  const i = a.findIndex((line, n) => line !== b[n]);
  return `${a[i]?.trim() ?? "nothing"} then, ${b[i]?.trim() ?? "nothing"} now`;
}

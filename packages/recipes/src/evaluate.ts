import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { finished } from "node:stream/promises";
import { SdmPruneError, errorMessage, type Run } from "@sdmprune/core";
import { evaluate, requestLine, type EvaluatedTask, type EvaluationRun } from "@sdmprune/evaluation";
import { openJournal, resultsFolder, writeResults, type WrittenResults } from "@sdmprune/evaluation/node";
import { loadTasks, type TasksRequest } from "./find-tasks.js";
import { openLanguageModel, type LanguageModelRequest } from "./open-language-model.js";

export interface EvaluateRequest extends TasksRequest, LanguageModelRequest {
  /** Folder for results, samples and the journal. Default: nothing is written. */
  readonly output?: string;
  /** Resamples for standard errors without a formula. Default 100000; 0: no standard errors. */
  readonly bootstrapIters?: number;
}

export interface EvaluationReport {
  readonly tasks: readonly EvaluatedTask[];
  readonly files: WrittenResults | undefined;
}

const BOOTSTRAP_ITERS = 100_000;

/**
 * Evaluates a model on tasks. With an output folder, each document's answers go into a journal there as soon as they
 * are known; a second run with the same model and settings goes on where the first one stopped.
 */
export async function evaluateModel(run: Run, request: EvaluateRequest): Promise<EvaluationReport> {
  const startedAtMs = Date.now();
  const loaded = await loadTasks(run, request);
  const { lm, identity, description, dispose } = await openLanguageModel(run, request);
  const { output, bootstrapIters = BOOTSTRAP_ITERS } = request;
  try {
    const journal =
      output === undefined
        ? undefined
        : openJournal(join(resultsFolder(output, request.model), "journal.jsonl"), identity);
    if (journal && journal.numKnown > 0) {
      const message = `journal: ${journal.numKnown} documents are known from an earlier run.`;
      run.progress({ type: "info", message });
    }
    try {
      const results = await evaluate(lm, loaded, {
        bootstrapIters,
        progress: run.progress,
        signal: run.signal,
        ...(journal && { journal }),
      });
      const tasks = results.map((result, i): EvaluatedTask => {
        const { numOriginal, files } = loaded[i]!;
        return { ...result, numOriginal, files };
      });
      const described: EvaluationRun = {
        ...description,
        modelName: request.model,
        limit: request.limit,
        bootstrapIters,
        startedAtMs,
        endedAtMs: Date.now(),
      };
      const files = output === undefined ? undefined : await writeResults(output, tasks, described);
      return { tasks, files };
    } finally {
      journal?.close();
    }
  } finally {
    await dispose();
  }
}

export interface DumpedRequests {
  readonly path: string;
  readonly numRequests: number;
}

/**
 * Writes every request of the tasks as a JSON line, in order: `[context, continuation]`, `[text]` for whole texts.
 *
 * @throws {SdmPruneError} If the file cannot be written.
 */
export async function dumpRequests(
  run: Run,
  { path, ...request }: TasksRequest & { readonly path: string },
): Promise<DumpedRequests> {
  const loaded = await loadTasks(run, request);
  let numRequests = 0;
  try {
    await mkdir(dirname(resolve(path)), { recursive: true });
    const stream = createWriteStream(path);
    await once(stream, "open");
    for (const { task, documents } of loaded) {
      for (const asked of documents.flatMap((document) => task.requests(document))) {
        if (!stream.write(requestLine(asked))) await once(stream, "drain");
        numRequests++;
      }
    }
    stream.end();
    await finished(stream);
  } catch (cause) {
    if (cause instanceof SdmPruneError) throw cause;
    throw new SdmPruneError(`${path}: expected a file to write, got: ${errorMessage(cause)}.`, { cause });
  }
  return { path, numRequests };
}

import { createHash } from "node:crypto";
import type { Run } from "@sdmprune/core";
import { requestLine, type StoredSample } from "@sdmprune/evaluation";
import type { LoadedTask } from "@sdmprune/evaluation/node";
import { defined } from "../defined.js";
import { evaluateModel } from "../evaluate.js";
import { loadTasks } from "../find-tasks.js";
import { measureLatency, openLatencyProgram } from "../latency.js";
import { measurePerplexity } from "../perplexity.js";
import type { Subject } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import { measureLayerError } from "./layer-error.js";
import { subjectFolder } from "./subject-folder.js";

/** What is kept of a perplexity. */
export interface PerplexityValue {
  readonly perplexity: number;
  readonly nll: number;
  readonly tokens: number;
  readonly window: number;
  readonly stride: number;
  readonly bos: string;
  /** Mean negative log-likelihood of each window's tokens: what paired tests compare. */
  readonly windows: readonly number[];
}

/** What is kept of the tasks. */
export interface TasksValue {
  readonly tasks: readonly TaskValue[];
}

export interface TaskValue {
  readonly task: string;
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly stderr: number | undefined }>>;
  readonly documents: readonly StoredSample[];
}

export interface LayerErrorValue {
  readonly layers: readonly number[];
}

/** Everything that a perplexity depends on. */
export async function perplexityInputs(
  context: ComparisonContext,
  modelSha256: string,
  index: number,
): Promise<Record<string, unknown>> {
  const { name: _name, text, ...how } = context.experiment.perplexity![index]!;
  return { model_sha256: modelSha256, text_sha256: await context.fileHash(text), ...how };
}

export async function runPerplexityCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
  index: number,
): Promise<PerplexityValue> {
  const { name: _name, ...how } = context.experiment.perplexity![index]!;
  const windows: number[] = [];
  const report = await measurePerplexity(run, {
    ...context.engine,
    model: await subjectFolder(context, run, subject),
    ...defined(how),
    onWindow: ({ nll, tokens }) => windows.push(nll / tokens),
  });
  const { perplexity, nll, tokens, window, stride, bos } = report;
  return { perplexity, nll, tokens, window, stride, bos, windows };
}

/** Everything that answers depend on: the questions themselves stand for data, task versions and limits. */
export async function tasksInputs(
  context: ComparisonContext,
  run: Run,
  modelSha256: string,
): Promise<Record<string, unknown>> {
  const { version = "pinned", addBos } = context.experiment.tasks!;
  const questions = createHash("sha256");
  for (const { task, documents } of await experimentTasks(context, run)) {
    questions.update(`${task.name}@${task.version}\n`);
    for (const document of documents)
      task.requests(document).forEach((each) => questions.update(requestLine(each)));
  }
  return { model_sha256: modelSha256, version, add_bos: addBos, questions_sha256: questions.digest("hex") };
}

const loadedTasks = new WeakMap<ComparisonContext, Promise<LoadedTask[]>>();

function experimentTasks(context: ComparisonContext, run: Run): Promise<LoadedTask[]> {
  let found = loadedTasks.get(context);
  if (!found) loadedTasks.set(context, (found = loadTasks(run, tasksRequest(context))));
  return found;
}

function tasksRequest({ experiment }: ComparisonContext) {
  const { names, limit, dataDir, version } = experiment.tasks!;
  return { tasks: names, ...defined({ limit, dataDir, taskVersion: version }) };
}

export async function runTasksCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<TasksValue> {
  const { addBos } = context.experiment.tasks!;
  const { tasks } = await evaluateModel(run, {
    ...context.engine,
    ...tasksRequest(context),
    ...defined({ addBos }),
    model: await subjectFolder(context, run, subject),
    bootstrapIters: 1000,
  });
  return {
    tasks: tasks.map(({ task, metrics, documents }) => ({
      task: task.name,
      metrics: Object.fromEntries(metrics.map(({ metric, value, stderr }) => [metric, { value, stderr }])),
      documents: documents.map((document, docId) => ({
        docId,
        promptHash: "", // the questions are part of the cell's key
        targetHash: "",
        metrics: Object.fromEntries(
          Object.entries(document.metrics).filter(
            (entry): entry is [string, number] => typeof entry[1] === "number",
          ),
        ),
      })),
    })),
  };
}

/** What is kept of a latency: speeds, and how they compare with the dense model's in the same run. */
export interface LatencyValue {
  readonly promptTokens: number;
  readonly decodeTokens: number;
  readonly batch: number;
  readonly dense: Speed;
  readonly pruned: Speed;
  /** Of the pruned model to the dense one: above 1 is faster. */
  readonly ratios: Speed;
}

/** Tokens per second, or ratios of them. */
export interface Speed {
  readonly prefill: number;
  readonly decode: number;
}

/** Everything that a speed depends on: the sizes of the model, not its weights, and the machine. */
export async function latencyInputs(
  context: ComparisonContext,
  run: Run,
  widths: readonly number[],
): Promise<Record<string, unknown>> {
  const model = await context.model(run);
  const { machine, engine } = context;
  return { original: await model.checkpoint.hash(), widths, ...context.experiment.latency, machine, engine };
}

export async function runLatencyCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<LatencyValue> {
  const models = [(await context.model(run)).checkpoint.dir, await subjectFolder(context, run, subject)];
  const report = await measureLatency(run, { models, ...defined(context.experiment.latency!) }, (request) =>
    openLatencyProgram(run, { ...context.engine, ...request }),
  );
  const [dense, pruned] = report.models.map(
    ({ prefillTokensPerSecond: prefill, decodeTokensPerSecond: decode }): Speed => ({ prefill, decode }),
  );
  const { promptTokens, decodeTokens, batch } = report;
  const { prefill, decode } = report.models[1]!.ratios;
  return { promptTokens, decodeTokens, batch, dense: dense!, pruned: pruned!, ratios: { prefill, decode } };
}

export async function layerErrorInputs(
  context: ComparisonContext,
  run: Run,
  modelSha256: string,
): Promise<Record<string, unknown>> {
  const { text, ...how } = context.experiment.layerError!;
  const original = await (await context.model(run)).checkpoint.hash();
  return { model_sha256: modelSha256, original, text_sha256: await context.fileHash(text), ...how };
}

export async function runLayerErrorCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<LayerErrorValue> {
  const layers = await measureLayerError(run, {
    ...context.engine,
    model: context.experiment.model,
    pruned: await subjectFolder(context, run, subject),
    ...defined(context.experiment.layerError!),
  });
  return { layers };
}

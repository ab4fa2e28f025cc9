import {
  InterruptedError,
  silentProgress,
  startTask,
  SdmPruneError,
  type ProgressListener,
} from "@sdmprune/core";
import { aggregate, type Aggregate, type MetricValue } from "./aggregation.js";
import type { LanguageModel } from "./language-model.js";
import type { Task, TaskDocument, TaskMetric, TaskRequest, TaskResponse } from "./task.js";

/** Remembers what a model answered, so that a run that was stopped can go on. */
export interface EvaluationJournal {
  /** The answers to a document's requests, if they are known. */
  find(task: string, index: number, requests: readonly TaskRequest[]): readonly TaskResponse[] | undefined;
  /** Is told of a document once all its answers are there. */
  append(
    task: string,
    index: number,
    requests: readonly TaskRequest[],
    responses: readonly TaskResponse[],
  ): void;
}

export interface EvaluateOptions {
  /** Resamples for the standard errors that have no formula. Default 100000, as lm-eval; 0: no standard errors. */
  readonly bootstrapIters?: number;
  readonly journal?: EvaluationJournal;
  readonly progress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/** One document with what was asked, answered and scored. */
export interface EvaluatedDocument {
  readonly document: TaskDocument;
  readonly requests: readonly TaskRequest[];
  readonly responses: readonly TaskResponse[];
  readonly metrics: Readonly<Record<string, MetricValue>>;
}

export interface MetricResult extends TaskMetric, Aggregate {}

export interface TaskResult {
  readonly task: Task;
  readonly metrics: readonly MetricResult[];
  readonly documents: readonly EvaluatedDocument[];
}

const BOOTSTRAP_ITERS = 100_000;

/**
 * Asks a model all questions of some tasks and scores its answers. Each metric is aggregated in document order, so
 * the result does not depend on the order in which the model answers.
 *
 * @throws {FormatError} If a document cannot be made into questions.
 * @throws {NonFiniteError} If the model answers with no number.
 * @throws {InterruptedError} If `signal` is aborted; what was answered is in the journal.
 */
export async function evaluate(
  lm: LanguageModel,
  tasks: readonly { readonly task: Task; readonly documents: readonly TaskDocument[] }[],
  { bootstrapIters = BOOTSTRAP_ITERS, journal, progress = silentProgress, signal }: EvaluateOptions = {},
): Promise<TaskResult[]> {
  const results: TaskResult[] = [];
  for (const { task, documents } of tasks) {
    const asked = documents.map((document) => ({ document, requests: task.requests(document) }));
    const answers = await answerAll(lm, task, asked, { journal, progress, signal });
    const evaluated = asked.map(({ document, requests }, i): EvaluatedDocument => {
      const responses = answers[i]!;
      return { document, requests, responses, metrics: task.score(document, responses) };
    });
    const metrics = task.metrics.map((metric): MetricResult => {
      const values = evaluated.map(({ metrics: each }) => each[metric.metric]!);
      return { ...metric, ...aggregate(metric.aggregation, values, bootstrapIters) };
    });
    results.push({ task, metrics, documents: evaluated });
  }
  return results;
}

interface AskedDocument {
  readonly document: TaskDocument;
  readonly requests: readonly TaskRequest[];
}

/** The answers to each document's requests, those in the journal and those the model gives now. */
async function answerAll(
  lm: LanguageModel,
  task: Task,
  asked: readonly AskedDocument[],
  { journal, progress, signal }: Required<Pick<EvaluateOptions, "progress">> & EvaluateOptions,
): Promise<(readonly TaskResponse[])[]> {
  const known = asked.map(({ requests }, i) => journal?.find(task.name, i, requests));
  const answers = asked.map(({ requests }, i) => [...(known[i] ?? new Array<TaskResponse>(requests.length))]);
  const missing = asked.map(({ requests }, i) => (known[i] ? 0 : requests.length));
  const open = asked.flatMap(({ requests }, i) =>
    known[i] ? [] : requests.map((request, k) => ({ request, document: i, position: k })),
  );
  const work = startTask(progress, task.name, { total: asked.length, unit: "documents" });
  let done = missing.filter((count) => count === 0).length;
  if (done > 0) work.advance(done);
  const onResult = (index: number, response: TaskResponse): void => {
    const { document, position } = open[index]!;
    answers[document]![position] = response;
    if (--missing[document]! > 0) return;
    journal?.append(task.name, document, asked[document]!.requests, answers[document]!);
    work.advance(++done);
  };
  try {
    if (open.length > 0)
      await ask(
        lm,
        open.map(({ request }) => request),
        { onResult, ...(signal && { signal }) },
      );
  } catch (error) {
    if (signal?.aborted) throw new InterruptedError("Interrupted.", { cause: error });
    throw error;
  }
  work.end();
  const unanswered = missing.findIndex((count) => count > 0);
  if (unanswered >= 0) {
    throw new SdmPruneError(
      `${task.name}: expected an answer to each request, got ${missing[unanswered]} too few for document ${unanswered}. The model's onResult must be called for every request.`,
    );
  }
  return answers;
}

/** Requests of one task are of one kind. */
async function ask(
  lm: LanguageModel,
  requests: readonly TaskRequest[],
  options: { onResult: (index: number, response: TaskResponse) => void; signal?: AbortSignal },
): Promise<void> {
  switch (requests[0]!.type) {
    case "loglikelihood":
      await lm.loglikelihood(requests as readonly Extract<TaskRequest, { type: "loglikelihood" }>[], options);
      return;
    case "loglikelihood_rolling": {
      const texts = requests as readonly Extract<TaskRequest, { type: "loglikelihood_rolling" }>[];
      await lm.loglikelihoodRolling(
        texts.map(({ text }) => text),
        options,
      );
      return;
    }
    case "generate_until":
      await lm.generateUntil(
        requests as readonly Extract<TaskRequest, { type: "generate_until" }>[],
        options,
      );
  }
}

import {
  errorMessage,
  FormatError,
  isSdmPruneError,
  NonFiniteError,
  parseOptions,
  snakeCase,
} from "@sdmprune/core";
import type { Row } from "@sdmprune/data";
import type { MetricValue } from "./aggregation.js";
import type { Loglikelihood } from "./language-model.js";
import { scoreChoices, scoreContinuation, scoreGeneration, scoreText } from "./score-document.js";
import type { TaskConfig } from "./task-config.js";
import { taskParts, type TaskParts } from "./task-parts.js";
import type { Doc, Task, TaskData, TaskDocument, TaskRequest, TaskResponse } from "./task.js";

const FEWSHOT_DELIMITER = "\n\n"; // where lm-eval's generations end unless told otherwise
const MAX_GEN_TOKS = 256;

/**
 * Makes a task of its settings, by the rules of lm-eval's `ConfigurableTask` without examples.
 *
 * @throws {FormatError} If a template is malformed.
 */
export function defineTask(config: TaskConfig): Task {
  const parts = taskParts(config);
  const guard = <T>({ id }: { id: string }, body: () => T): T => {
    try {
      return body();
    } catch (cause) {
      if (cause instanceof NonFiniteError) throw cause;
      const message = errorMessage(cause);
      const prefix = message.startsWith(`${config.task}: `) ? "" : `${config.task}: `;
      throw new FormatError(`${id}: ${prefix}${message}${isSdmPruneError(cause) ? "" : "."}`, { cause });
    }
  };
  return {
    name: config.task,
    version: config.metadata.version,
    outputType: config.outputType,
    data: config.data ?? taskData(config),
    metrics: config.metricList,
    config: printedConfig(config),
    document: (row) => guard(row, () => toDocument(row, config)),
    requests: (document) => guard(document, () => requestsOf(document.doc, config, parts)),
    target: (document) => guard(document, () => parts.target(document.doc)),
    score: (document, responses) => {
      assertFinite(document, responses, config.task);
      return guard(document, () => metricsOf(document.doc, responses, config, parts));
    },
  };
}

/** Rows of `datasetPath`, in the split that lm-eval evaluates on: test, else validation, else training. */
function taskData(config: TaskConfig): TaskData {
  const split = config.testSplit ?? config.validationSplit ?? config.trainingSplit;
  return {
    repo: config.datasetPath,
    selection: [config.datasetName, split].filter((word) => word !== undefined).join("/"),
  };
}

function toDocument({ id, value }: Row, { task, columns, reshapeRow, processDoc }: TaskConfig): TaskDocument {
  const reshaped = reshapeRow ? reshapeRow(value) : value;
  const schema = typeof columns === "function" ? columns(reshaped) : columns;
  const doc = schema ? parseOptions(task, schema, reshaped) : reshaped;
  return { id, doc: processDoc ? processDoc(doc) : doc };
}

function requestsOf(doc: Doc, config: TaskConfig, parts: TaskParts): readonly TaskRequest[] {
  const { outputType, targetDelimiter = " ", generationKwargs = {} } = config;
  const text = parts.text(doc);
  const prefix = parts.description(doc);
  switch (outputType) {
    case "multiple_choice": {
      const choices = parts.choices(doc);
      const asked =
        typeof text === "number" // one continuation after several contexts
          ? choices.map((choice) => [prefix + choice, targetDelimiter + asText(parts.target(doc))] as const)
          : choices.map((choice) => [prefix + asText(text), targetDelimiter + choice] as const);
      const alone = usesMutualInfo(config)
        ? choices.map((choice) => ["", targetDelimiter + choice] as const)
        : [];
      return [...asked, ...alone].map(([context, continuation]) => ({
        type: "loglikelihood",
        context,
        continuation,
      }));
    }
    case "loglikelihood":
      return [
        { type: "loglikelihood", context: prefix + asText(text), continuation: asText(parts.target(doc)) },
      ];
    case "loglikelihood_rolling":
      return [{ type: "loglikelihood_rolling", text: asText(parts.target(doc)) }];
    case "generate_until": {
      const { until = [FEWSHOT_DELIMITER], maxGenToks = MAX_GEN_TOKS, temperature = 0 } = generationKwargs;
      const context = prefix + asText(text);
      return [{ type: "generate_until", context, until, maxTokens: maxGenToks, temperature }];
    }
  }
}

function metricsOf(
  doc: Doc,
  responses: readonly TaskResponse[],
  config: TaskConfig,
  parts: TaskParts,
): Readonly<Record<string, MetricValue>> {
  const values = config.processResults
    ? config.processResults(doc, responses)
    : builtInMetrics(doc, responses, config, parts);
  return Object.fromEntries(
    config.metricList.map(({ metric }) => {
      const value = values[metric];
      if (value === undefined) {
        throw new FormatError(
          `metric_list: expected metrics of ${config.outputType} (${Object.keys(values).join(", ")}), got "${metric}".`,
        );
      }
      return [metric, value];
    }),
  );
}

function builtInMetrics(
  doc: Doc,
  responses: readonly TaskResponse[],
  { outputType, metricOptions }: TaskConfig,
  parts: TaskParts,
): Record<string, MetricValue> {
  switch (outputType) {
    case "multiple_choice": {
      const text = parts.text(doc);
      const gold = typeof text === "number" ? text : parts.target(doc);
      return scoreChoices(parts.choices(doc), gold, responses as readonly Loglikelihood[]);
    }
    case "loglikelihood":
      return scoreContinuation(responses[0] as Loglikelihood);
    case "loglikelihood_rolling":
      return scoreText(asText(parts.target(doc)), responses[0] as number);
    case "generate_until":
      return scoreGeneration(parts.target(doc), responses[0] as string, metricOptions?.["exact_match"]);
  }
}

function usesMutualInfo({ metricList }: TaskConfig): boolean {
  return metricList.some(({ metric }) => metric === "acc_mutual_info");
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new FormatError(`expected a text, got ${JSON.stringify(value) ?? "nothing"}.`);
}

function assertFinite(document: TaskDocument, responses: readonly TaskResponse[], task: string): void {
  for (const response of responses) {
    const logprob = typeof response === "object" ? response.logprob : response;
    if (typeof logprob === "number" && (Number.isNaN(logprob) || logprob === Infinity)) {
      throw new NonFiniteError(
        `${task}: ${document.id}: expected a log-probability, got ${logprob}. The model's weights may be damaged.`,
      );
    }
  }
}

/** Functions are written as their source, as lm-eval writes Python's. */
function printedConfig(config: TaskConfig): Record<string, unknown> {
  const { data: _data, columns: _columns, reshapeRow: _reshapeRow, metricOptions, ...printed } = config;
  const withDefaults = {
    description: "",
    targetDelimiter: " ",
    fewshotDelimiter: FEWSHOT_DELIMITER,
    numFewshot: 0,
    repeats: 1,
    shouldDecontaminate: false,
    ...printed,
    metricList: config.metricList.map((metric) => ({ ...metric, ...metricOptions?.[metric.metric] })),
  };
  return snakeKeys(withDefaults) as Record<string, unknown>;
}

function snakeKeys(value: unknown): unknown {
  if (typeof value === "function") return String(value);
  if (Array.isArray(value)) return value.map(snakeKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [snakeCase(key), snakeKeys(each)]));
}

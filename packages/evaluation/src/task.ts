import type { Row } from "@sdmprune/data";
import type { AggregationName, MetricValue } from "./aggregation.js";
import type { GenerationRequest, Loglikelihood, LoglikelihoodRequest } from "./language-model.js";

/** A document of a task: one row of its data set, in the shape the hub has it. */
export type Doc = Readonly<Record<string, unknown>>;

/** How a task asks a model. */
export type OutputType = "multiple_choice" | "loglikelihood" | "loglikelihood_rolling" | "generate_until";

/** One question to a model. */
export type TaskRequest =
  | ({ readonly type: "loglikelihood" } & LoglikelihoodRequest)
  | { readonly type: "loglikelihood_rolling"; readonly text: string }
  | ({ readonly type: "generate_until" } & GenerationRequest);

/** A model's answer: to `loglikelihood`, to `loglikelihood_rolling`, to `generate_until`. */
export type TaskResponse = Loglikelihood | number | string;

/** A number that a task reports. */
export interface TaskMetric {
  readonly metric: string;
  readonly aggregation: AggregationName;
  readonly higherIsBetter: boolean;
}

/** Where a task's rows come from. */
export interface TaskData {
  /** A file to read whatever the data folder; of YAML tasks with `dataset_path: json` and the like. */
  readonly file?: string;
  /** The hub's data set. */
  readonly repo?: string;
  /** `config/split` or a path in the data set, as `hub:org/name:selection` takes it. */
  readonly selection?: string;
  /** Usual paths in a data folder, besides the task's name and the hub's. */
  readonly localFiles?: readonly string[];
  /** Cuts a plain text file into rows, for tasks whose data come as one. */
  readonly rowsOfText?: (text: string) => readonly Doc[];
}

/** A document with the row it is of, for messages. */
export interface TaskDocument {
  /** `file: row n`. */
  readonly id: string;
  readonly doc: Doc;
}

/** A task: turns rows into questions to a model, and its answers into numbers. */
export interface Task {
  readonly name: string;
  readonly version: number | string;
  readonly outputType: OutputType;
  readonly data: TaskData;
  readonly metrics: readonly TaskMetric[];
  /** The task's settings as lm-eval writes them into a results file. */
  readonly config: Readonly<Record<string, unknown>>;
  /** @throws {FormatError} If a row has not the task's columns; names the row and the column. */
  document(row: Row): TaskDocument;
  /** @throws {FormatError} If the document cannot be made into questions, for example because it has no choices. */
  requests(document: TaskDocument): readonly TaskRequest[];
  /** The right answer: the index of a choice, or a text. */
  target(document: TaskDocument): unknown;
  /** The value of each metric on one document. `responses` answer `requests(document)`, in order. */
  score(document: TaskDocument, responses: readonly TaskResponse[]): Readonly<Record<string, MetricValue>>;
}

/** Several tasks under one name. */
export interface TaskGroup {
  readonly name: string;
  /** Names of registered tasks. */
  readonly tasks: readonly string[];
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    /** A task, or a name for several. */
    task: Task | TaskGroup;
  }
}

export function isTaskGroup(task: Task | TaskGroup): task is TaskGroup {
  return "tasks" in task;
}

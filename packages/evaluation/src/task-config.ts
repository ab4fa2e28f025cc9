import type { z } from "zod";
import type { MetricValue } from "./aggregation.js";
import type { Doc, OutputType, TaskData, TaskMetric, TaskResponse } from "./task.js";

/**
 * Which lm-eval a task follows: `pinned` is commit cbc31eb (0.4.5 and 31 commits), which SDMPrune's numbers are of;
 * `current` is that of August 2026.
 */
export type TaskVersion = "pinned" | "current";

/** A part of a prompt: a column's name, a Jinja template, or a function of the document. */
export type DocPart<T> = string | ((doc: Doc) => T);

/**
 * A task as data, under lm-eval's names in camel case (https://github.com/EleutherAI/lm-evaluation-harness,
 * `docs/task_guide.md`). A function stands where lm-eval has Python.
 */
export interface TaskConfig {
  readonly task: string;
  readonly tag?: readonly string[];
  readonly datasetPath: string;
  readonly datasetName?: string;
  readonly trainingSplit?: string;
  readonly validationSplit?: string;
  readonly testSplit?: string;
  readonly outputType: OutputType;
  /** The context. A number is the index of the right choice of a task with several contexts and one continuation. */
  readonly docToText: DocPart<string | number>;
  /** The index of the right choice, several of them, the right text, or the only continuation. */
  readonly docToTarget: number | DocPart<string | number | readonly (string | number)[]>;
  readonly docToChoice?: readonly string[] | DocPart<readonly string[]>;
  readonly processDoc?: (doc: Doc) => Doc;
  readonly processResults?: (doc: Doc, responses: readonly TaskResponse[]) => Record<string, MetricValue>;
  /** Stands before every context. */
  readonly description?: string;
  /** Stands between context and continuation. Default: a space. */
  readonly targetDelimiter?: string;
  readonly metricList: readonly TaskMetric[];
  readonly metricOptions?: Readonly<Record<string, ExactMatchOptions>>;
  readonly generationKwargs?: GenerationSettings;
  readonly numFewshot?: 0;
  readonly shouldDecontaminate?: boolean;
  readonly docToDecontaminationQuery?: string;
  readonly metadata: { readonly version: number | string };

  /** Where the rows are, if not simply at `datasetPath`. */
  readonly data?: TaskData;
  /** The columns that are used; a row without them is refused. */
  readonly columns?: z.ZodType<Doc> | ((row: Doc) => z.ZodType<Doc>);
  /** Brings a row of another usual shape into the hub's. */
  readonly reshapeRow?: (row: Doc) => Doc;
}

/** A built-in task: the pinned version, and what today's has otherwise. */
export interface VersionedTask {
  readonly pinned: TaskConfig;
  readonly current?: Partial<TaskConfig>;
}

export interface GenerationSettings {
  /** Default: the blank line that lm-eval puts between examples. */
  readonly until?: readonly string[];
  /** Default 256. */
  readonly maxGenToks?: number;
  readonly temperature?: number;
}

/** What `exact_match` passes over in both texts. */
export interface ExactMatchOptions {
  readonly ignoreCase?: boolean;
  readonly ignorePunctuation?: boolean;
  readonly ignoreNumbers?: boolean;
  readonly regexesToIgnore?: readonly string[];
}

/** The settings of the asked version. */
export function taskConfig({ pinned, current }: VersionedTask, version: TaskVersion): TaskConfig {
  return version === "current" ? { ...pinned, ...current } : pinned;
}

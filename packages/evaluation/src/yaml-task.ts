import { errorMessage, FormatError, suggestNames } from "@sdmprune/core";
import { parseDocument, type ScalarTag } from "yaml";
import { z } from "zod";
import { AGGREGATION_NAMES, type AggregationName } from "./aggregation.js";
import type { ExactMatchOptions, TaskConfig } from "./task-config.js";
import type { OutputType, TaskData, TaskMetric } from "./task.js";

/** Marks a value that lm-eval would take from a Python file. */
class PythonFunction {
  constructor(readonly name: string) {}
}

const functionTag: ScalarTag = {
  tag: "!function",
  resolve: (value) => new PythonFunction(value),
};

const METRICS_OF: Readonly<Record<OutputType, readonly string[]>> = {
  multiple_choice: ["acc", "acc_norm", "acc_mutual_info", "exact_match", "f1", "mcc"],
  loglikelihood: ["perplexity", "acc"],
  loglikelihood_rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte"],
  generate_until: ["exact_match"],
};

/** What lm-eval computes where a file has no `metric_list`. */
const DEFAULT_METRICS: Readonly<Record<OutputType, readonly string[]>> = {
  ...METRICS_OF,
  multiple_choice: ["acc", "acc_norm"],
};

const DEFAULT_AGGREGATION: Readonly<Record<string, AggregationName>> = {
  perplexity: "perplexity",
  word_perplexity: "weighted_perplexity",
  byte_perplexity: "weighted_perplexity",
  bits_per_byte: "bits_per_byte",
  f1: "f1",
  mcc: "mcc",
};

const LOWER_IS_BETTER = new Set(["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"]);

/** Keys of lm-eval without effect on the zero-shot results of a declarative task. */
const WITHOUT_EFFECT = [
  "tag",
  "group",
  "task_alias",
  "fewshot_split",
  "fewshot_delimiter",
  "fewshot_config",
  "should_decontaminate",
  "doc_to_decontamination_query",
  "training_split",
] as const;

const withoutEffect = Object.fromEntries(
  WITHOUT_EFFECT.map((key) => [key, z.unknown().optional()]),
) as Record<(typeof WITHOUT_EFFECT)[number], z.ZodOptional<z.ZodUnknown>>;

const oneOrMore = z.union([z.string(), z.array(z.string())]);

const schema = z.strictObject({
  task: z.string().min(1),
  dataset_path: z.string().min(1),
  dataset_name: z.string().optional(),
  dataset_kwargs: z
    .looseObject({ data_files: z.union([oneOrMore, z.record(z.string(), oneOrMore)]).optional() })
    .optional(),
  output_type: z
    .enum(["multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until"])
    .default("generate_until"),
  test_split: z.string().optional(),
  validation_split: z.string().optional(),
  doc_to_text: z.union([z.string(), z.int()]).default(""),
  doc_to_target: z.union([z.string(), z.int(), z.array(z.union([z.string(), z.int()]))]).default(""),
  doc_to_choice: z.union([z.string(), z.array(z.string()), z.record(z.string(), z.string())]).optional(),
  description: z.string().default(""),
  target_delimiter: z.string().default(" "),
  num_fewshot: z.int().optional(),
  repeats: z.int().optional(),
  generation_kwargs: z
    .strictObject({
      until: oneOrMore.optional(),
      max_gen_toks: z.int().min(1).optional(),
      temperature: z.number().min(0).optional(),
      do_sample: z.boolean().optional(),
    })
    .optional(),
  metric_list: z
    .array(
      z.strictObject({
        metric: z.string(),
        aggregation: z.string().optional(),
        higher_is_better: z.boolean().optional(),
        ignore_case: z.boolean().optional(),
        ignore_punctuation: z.boolean().optional(),
        ignore_numbers: z.boolean().optional(),
        regexes_to_ignore: z.array(z.string()).optional(),
      }),
    )
    .min(1)
    .optional(),
  metadata: z.looseObject({ version: z.union([z.number(), z.string()]).default("Yaml") }).optional(),
  ...withoutEffect,
});

type YamlTask = z.output<typeof schema>;

/** Keys that only have a sense with Python or a feature that is not here, with what to do. */
const REFUSED: Readonly<Record<string, string>> = {
  class: "it names a Python class",
  custom_dataset: "it names a Python function",
  process_docs: "it names a Python function",
  process_results: "it names a Python function",
  process_docs_pipeline: "it names a Python function",
  use_prompt: "it takes its prompt from promptsource",
  filter_list: "answers are not filtered here",
  gen_prefix: "answers are not begun here",
  doc_to_image: "models here read text only",
  doc_to_audio: "models here read text only",
};

/** A parsed file, before its `include` is followed. */
export type YamlMapping = Readonly<Record<string, unknown>>;

/**
 * Parses a task file of lm-eval. `!function` values are kept as marks, so that they can be named in an error.
 *
 * @param where - The file's name, for messages.
 * @throws {FormatError} If the text is no YAML mapping.
 */
export function parseTaskYaml(text: string, where: string): YamlMapping {
  const document = parseDocument(text, { customTags: [functionTag], merge: true });
  const [error] = document.errors;
  if (error) {
    throw new FormatError(
      `${where}: expected YAML, got text that is not (${errorMessage(error).split(":")[0]}).`,
      {
        cause: error,
      },
    );
  }
  const value: unknown = document.toJS();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(
      `${where}: expected a mapping of a task's settings, got ${value === null ? "nothing" : "another value"}.`,
    );
  }
  return value as YamlMapping;
}

/**
 * The settings of a task from a parsed file with its includes merged in.
 *
 * @throws {FormatError} If a key needs Python, is unknown or has another kind of value; names the key.
 */
export function yamlTaskConfig(mapping: YamlMapping, where: string): TaskConfig {
  for (const [key, value] of Object.entries(mapping)) refuseSpecial(key, value, where);
  // lm-eval takes a key without a value as one that is not there.
  const given = Object.fromEntries(Object.entries(mapping).filter(([, value]) => value !== null));
  const parsed = schema.safeParse(given, { reportInput: true });
  if (!parsed.success) throw new FormatError(`${where}: ${describeIssue(parsed.error.issues[0]!)}`);
  const yaml: YamlTask = parsed.data;
  if (yaml.num_fewshot) {
    throw new FormatError(
      `${where}: num_fewshot: expected 0, got ${yaml.num_fewshot}. Tasks are zero-shot here.`,
    );
  }
  if (yaml.repeats !== undefined && yaml.repeats !== 1) {
    throw new FormatError(
      `${where}: repeats: expected 1, got ${yaml.repeats}. Every document is asked once here.`,
    );
  }
  if (yaml.output_type === "multiple_choice" && yaml.doc_to_choice === undefined) {
    throw new FormatError(
      `${where}: doc_to_choice: expected the choices of a multiple_choice task, got nothing.`,
    );
  }
  const { doc_to_text: text, doc_to_choice: choice, doc_to_target: target } = yaml;
  const list = metrics(yaml, where);
  const options = exactMatchOptions(yaml);
  return {
    task: yaml.task,
    datasetPath: yaml.dataset_path,
    ...(yaml.dataset_name !== undefined && { datasetName: yaml.dataset_name }),
    ...(yaml.validation_split !== undefined && { validationSplit: yaml.validation_split }),
    ...(yaml.test_split !== undefined && { testSplit: yaml.test_split }),
    outputType: yaml.output_type,
    docToText: typeof text === "number" ? () => text : text,
    docToTarget: Array.isArray(target) ? () => target as readonly string[] : target,
    ...(choice !== undefined && {
      docToChoice: typeof choice === "string" || Array.isArray(choice) ? choice : Object.values(choice),
    }),
    description: yaml.description,
    targetDelimiter: yaml.target_delimiter,
    ...(yaml.generation_kwargs && { generationKwargs: generation(yaml.generation_kwargs) }),
    metricList: list,
    ...(options && { metricOptions: { exact_match: options } }),
    metadata: { version: yaml.metadata?.version ?? "Yaml" },
    data: dataOf(yaml, where),
  };
}

function refuseSpecial(key: string, value: unknown, where: string): void {
  const python = findFunction(value);
  if (python) {
    throw new FormatError(
      `${where}: ${key}: expected a value, got the Python function ${python.name}. Only declarative tasks can be read; write this one in TypeScript (docs/guides/add-a-task.md).`,
    );
  }
  const reason = REFUSED[key];
  if (reason !== undefined && value !== null) {
    throw new FormatError(
      `${where}: ${key}: expected no such key, for ${reason}. Write the task in TypeScript (docs/guides/add-a-task.md).`,
    );
  }
  if (key === "task" && Array.isArray(value)) {
    throw new FormatError(
      `${where}: task: expected the name of one task, got a group of ${value.length}. Give its tasks one by one.`,
    );
  }
}

function findFunction(value: unknown): PythonFunction | undefined {
  if (value instanceof PythonFunction) return value;
  if (typeof value !== "object" || value === null) return undefined;
  for (const each of Object.values(value)) {
    const found = findFunction(each);
    if (found) return found;
  }
  return undefined;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const path = [...issue.path, key].join(".");
    const near = suggestNames(key, Object.keys(schema.shape));
    return `unknown key "${path}".${near.length > 0 ? ` Did you mean "${near[0]}"?` : ""}`;
  }
  const key = issue.path.join(".");
  if (issue.input === undefined) return `${key}: expected a value, got nothing. Add the key.`;
  const expected =
    issue.code === "invalid_value"
      ? issue.values.map(String).join(", ")
      : issue.code === "invalid_type"
        ? `a ${issue.expected}`
        : "another kind of value";
  return `${key}: expected ${expected}, got ${JSON.stringify(issue.input) ?? typeof issue.input}.`;
}

function metrics(yaml: YamlTask, where: string): readonly TaskMetric[] {
  const known = METRICS_OF[yaml.output_type];
  const list: NonNullable<YamlTask["metric_list"]> =
    yaml.metric_list ?? DEFAULT_METRICS[yaml.output_type].map((metric) => ({ metric }));
  return list.map(({ metric, aggregation: named, higher_is_better: higher }): TaskMetric => {
    if (!known.includes(metric)) {
      throw new FormatError(
        `${where}: metric_list: expected a metric of ${yaml.output_type} (${known.join(", ")}), got "${metric}".`,
      );
    }
    const natural = DEFAULT_AGGREGATION[metric] ?? "mean";
    const aggregation = named === undefined ? natural : AGGREGATION_NAMES.find((name) => name === named);
    if (aggregation === undefined) {
      throw new FormatError(
        `${where}: metric_list: expected an aggregation of ${AGGREGATION_NAMES.join(", ")} for ${metric}, got "${named}".`,
      );
    }
    return { metric, aggregation, higherIsBetter: higher ?? !LOWER_IS_BETTER.has(metric) };
  });
}

function exactMatchOptions(yaml: YamlTask): ExactMatchOptions | undefined {
  const entry = yaml.metric_list?.find(({ metric }) => metric === "exact_match");
  if (!entry) return undefined;
  return {
    ...(entry.ignore_case !== undefined && { ignoreCase: entry.ignore_case }),
    ...(entry.ignore_punctuation !== undefined && { ignorePunctuation: entry.ignore_punctuation }),
    ...(entry.ignore_numbers !== undefined && { ignoreNumbers: entry.ignore_numbers }),
    ...(entry.regexes_to_ignore && { regexesToIgnore: entry.regexes_to_ignore }),
  };
}

function generation(settings: NonNullable<YamlTask["generation_kwargs"]>): TaskConfig["generationKwargs"] {
  const { until, max_gen_toks: maxGenToks, temperature, do_sample: doSample } = settings;
  return {
    ...(until !== undefined && { until: [until].flat() }),
    ...(maxGenToks !== undefined && { maxGenToks }),
    temperature: doSample === false ? 0 : (temperature ?? 0),
  };
}

const FILE_BUILDERS = new Set(["json", "csv", "parquet", "text"]);

/** `dataset_path: json` and the like read files that `dataset_kwargs.data_files` names; else it is a data set of the hub. */
function dataOf(yaml: YamlTask, where: string): TaskData {
  const split = yaml.test_split ?? yaml.validation_split ?? undefined;
  if (split === undefined) {
    throw new FormatError(
      `${where}: test_split: expected test_split or validation_split, got neither. Add one.`,
    );
  }
  if (FILE_BUILDERS.has(yaml.dataset_path)) {
    const files = yaml.dataset_kwargs?.data_files;
    const named = typeof files === "object" && !Array.isArray(files) ? files[split] : files;
    const [file, ...more] = named === undefined ? [] : [named].flat();
    if (file === undefined || more.length > 0) {
      throw new FormatError(
        `${where}: dataset_kwargs.data_files: expected one file for the split "${split}", got ${more.length > 0 ? more.length + 1 : "none"}.`,
      );
    }
    return { file };
  }
  return {
    repo: yaml.dataset_path,
    selection: [yaml.dataset_name, split].filter((word) => word !== undefined).join("/"),
  };
}

import { FormatError, suggestNames } from "@sdmprune/core";
import { z } from "zod";
import { findFunction, type YamlMapping } from "./parse-task-yaml.js";

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

/** A task file whose keys and values are of the right kind. */
export type YamlTask = z.output<typeof schema>;

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

/**
 * Checks the keys and values of a task file.
 *
 * @param where - The file's name, for messages.
 * @throws {FormatError} If a key needs Python, is unknown or has another kind of value; names the key.
 */
export function checkTaskYaml(mapping: YamlMapping, where: string): YamlTask {
  for (const [key, value] of Object.entries(mapping)) refuseSpecial(key, value, where);
  // lm-eval takes a key without a value as one that is not there.
  const given = Object.fromEntries(Object.entries(mapping).filter(([, value]) => value !== null));
  const parsed = schema.safeParse(given, { reportInput: true });
  if (!parsed.success) throw new FormatError(`${where}: ${describeIssue(parsed.error.issues[0]!)}`);
  const yaml = parsed.data;
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
  return yaml;
}

function refuseSpecial(key: string, value: unknown, where: string): void {
  if (key in withoutEffect) return;
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

import { describe, expect, it } from "vitest";
import { defineTask } from "./define-task.js";
import { parseTaskYaml } from "./parse-task-yaml.js";
import { yamlTaskConfig } from "./yaml-task.js";

const load = (text: string) => yamlTaskConfig(parseTaskYaml(text, "x.yaml"), "x.yaml");

const GOOD = `
task: mine
tag: some_tag
dataset_path: org/name
dataset_name: main
output_type: multiple_choice
training_split: train
validation_split: validation
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
should_decontaminate: true
doc_to_decontamination_query: question
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
metadata:
  version: 2.0
`;

describe("yamlTaskConfig", () => {
  it("makes a task of a declarative file", () => {
    const task = defineTask(load(GOOD));
    expect(task).toMatchObject({
      name: "mine",
      version: 2,
      data: { repo: "org/name", selection: "main/test" },
      metrics: [
        { metric: "acc", aggregation: "mean", higherIsBetter: true },
        { metric: "acc_norm", aggregation: "mean", higherIsBetter: true },
      ],
    });
    const value = { question: "q", choices: { text: ["a", "b"], label: ["1", "2"] }, answerKey: "2" };
    const document = task.document({ id: "f: row 1", value });
    expect(task.requests(document)[1]).toEqual({
      type: "loglikelihood",
      context: "Question: q\nAnswer:",
      continuation: " b",
    });
    expect(task.target(document)).toBe(1);
  });

  it("takes choices as a list or a mapping, and metrics by default", () => {
    const text =
      "task: t\ndataset_path: o/n\noutput_type: multiple_choice\nvalidation_split: v\ndoc_to_target: label\n";
    expect(load(`${text}doc_to_choice: ["no", "yes"]`).docToChoice).toEqual(["no", "yes"]);
    const mapping = load(`${text}doc_to_choice: {0: "no", 1: "yes"}`);
    expect(mapping.docToChoice).toEqual(["no", "yes"]);
    expect(mapping.metricList.map(({ metric }) => metric)).toEqual(["acc", "acc_norm"]);
    expect(mapping.metadata.version).toBe("Yaml");
  });

  it("passes over what has no effect on a zero-shot task, and takes the last of equal keys", () => {
    const config = load(
      `${GOOD}fewshot_config: { sampler: !function utils.sampler }\ndescription: a\ndescription: b`,
    );
    expect(config.description).toBe("b");
  });

  it("reads generation settings and files of its own", () => {
    const config = load(`
task: g
dataset_path: json
dataset_kwargs: { data_files: { test: rows.jsonl } }
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: a
generation_kwargs: { until: ["\\n"], max_gen_toks: 8, do_sample: false, temperature: 0.7 }
metric_list: [{ metric: exact_match, ignore_case: true }]
`);
    expect(config).toMatchObject({
      data: { file: "rows.jsonl" },
      generationKwargs: { until: ["\n"], maxGenToks: 8, temperature: 0 },
      metricOptions: { exact_match: { ignoreCase: true } },
    });
  });

  const without = (key: string) => GOOD.replace(new RegExp(`^${key}:.*\n`, "m"), "");
  it.each([
    ["task: [", /^x\.yaml: expected YAML, got text that is not \(/],
    ["- a", "x.yaml: expected a mapping of a task's settings, got another value."],
    [without("task"), "x.yaml: task: expected a value, got nothing. Add the key."],
    [
      `${GOOD}process_docs: !function utils.process_docs`,
      "x.yaml: process_docs: expected a value, got the Python function utils.process_docs. Only declarative tasks",
    ],
    [
      GOOD.replace('"Question: {{question}}\\nAnswer:"', "!function utils.doc_to_text"),
      "x.yaml: doc_to_text: expected a value, got the Python function utils.doc_to_text.",
    ],
    [
      `${GOOD}class: !function task.Mine`,
      "x.yaml: class: expected a value, got the Python function task.Mine.",
    ],
    [
      `${GOOD}use_prompt: promptsource:x`,
      "x.yaml: use_prompt: expected no such key, for it takes its prompt from promptsource.",
    ],
    [`${GOOD}doc_to_txt: x`, 'x.yaml: unknown key "doc_to_txt". Did you mean "doc_to_text"?'],
    [
      GOOD.replace("acc_norm", "bleu"),
      'x.yaml: metric_list: expected a metric of multiple_choice (acc, acc_norm, acc_mutual_info, exact_match, f1, mcc), got "bleu".',
    ],
    [
      GOOD.replace("aggregation: mean", "aggregation: nanmean"),
      'x.yaml: metric_list: expected an aggregation of mean, perplexity, weighted_perplexity, bits_per_byte, f1, mcc for acc, got "nanmean".',
    ],
    [
      GOOD.replace("multiple_choice", "choices"),
      'x.yaml: output_type: expected multiple_choice, loglikelihood, loglikelihood_rolling, generate_until, got "choices".',
    ],
    [`${GOOD}num_fewshot: 5`, "x.yaml: num_fewshot: expected 0, got 5. Tasks are zero-shot here."],
    [`${GOOD}repeats: 3`, "x.yaml: repeats: expected 1, got 3."],
    [
      without("doc_to_choice"),
      "x.yaml: doc_to_choice: expected the choices of a multiple_choice task, got nothing.",
    ],
    [
      without("test_split").replace(/validation_split.*\n/, ""),
      "x.yaml: test_split: expected test_split or validation_split, got neither.",
    ],
    ["group: g\ntask: [a, b]", "x.yaml: task: expected the name of one task, got a group of 2."],
    [
      GOOD.replace("org/name", "json"),
      'x.yaml: dataset_kwargs.data_files: expected one file for the split "test", got none.',
    ],
  ])("refuses in one line that says where: %#", (text, message) => {
    expect(() => load(text)).toThrow(message);
  });

  it("refuses a malformed template when the task is made", () => {
    expect(() => defineTask(load(GOOD.replace("{{question}}", "{{question")))).toThrow(
      /^mine: doc_to_text: expected a Jinja template, got /,
    );
  });
});

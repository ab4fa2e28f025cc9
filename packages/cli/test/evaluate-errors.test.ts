import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import type { CliResult } from "./run-cli.js";
import { runMany } from "./run-many.js";

const root = temporaryFolder();

type Case = readonly [what: string, args: string, code: 1 | 2, message: string | RegExp];

/** Arguments are split at spaces. */
const CASES: readonly Case[] = [
  ["no tasks", "eval hash", 2, "required option '--tasks <names>' not specified"],
  ["no model", "eval --tasks piqa --data-dir good", 2, "eval: expected a model, got none. Give a checkpoint folder or a hub id, or --dump-requests FILE."],
  ["an unknown task", "eval hash --tasks arc_esy --data-dir good", 2, 'Unknown task "arc_esy". Did you mean "arc_easy"? Available: arc_easy, arc_challenge, boolq'],
  ["an unknown task version", "eval hash --tasks piqa --task-version newest", 2, "Allowed choices are pinned, current."],
  ["a data folder that is nowhere", "eval hash --tasks piqa --data-dir no", 1, 'data-dir: expected a folder with data sets, got "no", which is not there.'],
  ["a missing data file", "eval hash --tasks boolq --data-dir good", 1, "boolq: expected its data in good, got none of boolq/val.jsonl, boolq.jsonl, boolq/, aps/super_glue/. Put them there"],
  ["data that are not in the cache", "eval hash --tasks boolq", 1, /boolq: .*aps\/super_glue.* Give a folder with the data with --data-dir DIR\./],
  ["a wrong column", "eval hash --tasks piqa --data-dir column", 1, 'piqa.jsonl: row 1: piqa: "goal": expected string, got nothing.'],
  ["a value of the wrong kind", "eval hash --tasks piqa --data-dir kind", 1, 'piqa.jsonl: row 2: piqa: "label": expected'],
  ["a malformed row", "eval hash --tasks piqa --data-dir row", 1, "piqa: piqa.jsonl: row 2: expected one JSON value per line, got text that is not"],
  ["a malformed CSV", "eval hash --tasks crows_pairs_english --data-dir csv", 1, "crows_pairs_english: crows_pairs_english.csv: line 3: expected rows of fields separated by tabs, got a malformed row"],
  ["an empty file", "eval hash --tasks piqa --data-dir empty", 1, "piqa: expected documents, got an empty piqa.jsonl."],
  ["labels for other rows", "eval hash --tasks piqa --data-dir labels", 1, "piqa: piqa-labels.lst: expected 1 labels, one for each row of piqa.jsonl, got 2."],
  ["empty choices", "eval hash --tasks arc_easy --data-dir choices", 1, "arc_easy.jsonl: row 1: arc_easy: doc_to_choice: expected at least one choice, got an empty list."],
  ["a right answer that is no choice", "eval hash --tasks arc_easy --data-dir answer", 1, 'arc_easy.jsonl: row 1: arc_easy: doc_to_target: the template fails on this row: "E" is not in the list.'],
  ["a sentence without a blank", "eval hash --tasks winogrande --data-dir blank", 1, 'winogrande.jsonl: row 1: winogrande: sentence: expected a blank "_", got "No blank."'],
  ["problems that do not parse", "eval hash --tasks race --data-dir problems", 1, "race.jsonl: row 1: race: problems: expected a value at character 2 of a Python literal, got"],
  ["a task file that is nowhere", "eval hash --tasks ./no.yaml", 1, "no.yaml: expected a task file, got:"],
  ["bad YAML", "eval hash --tasks ./bad.yaml", 1, "bad.yaml: expected YAML, got text that is not ("],
  ["a Python function in YAML", "eval hash --tasks ./python.yaml", 1, "python.yaml: doc_to_text: expected a value, got the Python function utils.doc_to_text. Only declarative tasks can be read"],
  ["an include that is nowhere", "eval hash --tasks ./include.yaml", 1, /include\.yaml: include: .*absent\.yaml: expected a task file, got:/],
  ["an include of itself", "eval hash --tasks ./loop.yaml", 1, "loop.yaml: include: expected files that end somewhere, got loop.yaml including itself."],
  ["a template of a column that is not there", "eval hash --tasks ./column.yaml", 1, 'rows.jsonl: row 1: mine: doc_to_text: expected the row to have "qestion", got question, label.'],
  ["a metric that is none", "eval hash --tasks ./metric.yaml", 1, 'metric.yaml: metric_list: expected a metric of multiple_choice (acc, acc_norm,'],
  ["two tasks of one name", "eval hash --tasks ./mine.yaml,./again.yaml", 2, 'tasks: expected tasks of different names, got two called "mine". Rename one.'],
  ["a batch size that is none", "eval hash --tasks piqa --batch-size many", 2, "argument 'many' is invalid. Expected auto or an integer of at least 1."],
  ["an output that cannot be written", "eval hash --tasks piqa --data-dir good -o bad.yaml/out", 1, "expected a place to write the journal, got:"],
  ["a journal of another model", "eval hash --tasks piqa --data-dir good -o other", 2, "journal.jsonl: expected the journal of this model and these settings, got one of others."],
  ["requests that cannot be written", "eval --tasks piqa --data-dir good --dump-requests good", 1, "good: expected a file to write, got:"],
  ["a model that is nowhere", "eval ./nowhere --tasks piqa --data-dir good", 1, 'nowhere: expected a checkpoint folder or a hub id such as "org/name"'],
  ["results that are nowhere", "show-results good", 1, "good: expected results_*.json in the folder or below, got none."],
  ["an unknown format", "show-results results --format xlsx", 2, 'Unknown reporter "xlsx". Available: markdown, csv, html.'],
  ["results to compare that are nowhere", "compare-results good results", 1, "good: expected samples_*.jsonl in the folder or below, got none."],
]; // prettier-ignore

const PIQA = '{"goal":"g","sol1":"a","sol2":"b","label":0}';
const YAML = `task: mine
dataset_path: json
dataset_kwargs: { data_files: { test: rows.jsonl } }
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: label
doc_to_choice: ["no", "yes"]
`;
const arc = (labels: string, answerKey: string) =>
  `{"question":"q","choices":{"text":${labels},"label":${labels}},"answerKey":"${answerKey}"}`;

const FILES: Readonly<Record<string, string>> = {
  "good/piqa.jsonl": PIQA,
  "column/piqa.jsonl": PIQA.replace("goal", "gaol"),
  "kind/piqa.jsonl": `${PIQA}\n${PIQA.replace("0}", '"x"}')}`,
  "row/piqa.jsonl": `${PIQA}\n{"goal":\n`,
  "csv/crows_pairs_english.csv": "\tsent_more\tsent_less\n0\ta\tb\n1\ta\n",
  "empty/piqa.jsonl": "\n",
  "labels/piqa.jsonl": PIQA,
  "labels/piqa-labels.lst": "0\n1\n",
  "choices/arc_easy.jsonl": arc("[]", "A"),
  "answer/arc_easy.jsonl": arc('["A"]', "E"),
  "blank/winogrande.jsonl": '{"sentence":"No blank.","option1":"a","option2":"b","answer":"1"}',
  "problems/race.jsonl": '{"article":"a","problems":"[open(1)]"}',
  "rows.jsonl": '{"question":"q","label":1}',
  "bad.yaml": "task: [a\ndoc: }",
  "python.yaml": YAML.replace('"{{question}}"', "!function utils.doc_to_text"),
  "include.yaml": "include: absent.yaml\ntask: x",
  "loop.yaml": "include: loop.yaml",
  "column.yaml": YAML.replace("question", "qestion"),
  "metric.yaml": `${YAML}metric_list: [{ metric: rouge }]`,
  "mine.yaml": YAML,
  "again.yaml": `include: mine.yaml\ndoc_to_text: "Q: {{question}}"`,
  "other/hash/journal.jsonl": '{"journal":"sdmprune-evaluation","identity":{"model":"other"}}\n',
  "results/results_2026.json": '{"results":{}}',
};

let results: Map<string, CliResult>;

beforeAll(async () => {
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const before = readdirSync(root, { recursive: true }).length;
  const all = await runMany(
    CASES.map(([, args]) => args.split(" ")),
    root,
  );
  results = new Map(CASES.map(([what], i) => [what, all[i]!]));
  expect(readdirSync(root, { recursive: true }).length).toBe(before);
});

describe("a broken evaluation ends in one clear line", () => {
  it.each(CASES)("%s", (what, _, code, message) => {
    const result = results.get(what)!;
    const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(message);
    expect(result.stderr).not.toMatch(/\n\s+at /); // no stack
    expect(result).toMatchObject({ code, stdout: "" });
  });
});

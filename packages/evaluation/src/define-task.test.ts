import { describe, expect, it } from "vitest";
import { defineTask } from "./define-task.js";
import type { Loglikelihood } from "./language-model.js";
import type { TaskConfig } from "./task-config.js";
import { z } from "zod";

const base: TaskConfig = {
  task: "t",
  datasetPath: "o/n",
  testSplit: "test",
  outputType: "multiple_choice",
  docToText: "Q: {{q}}\nA:",
  docToTarget: "gold",
  docToChoice: "options",
  metricList: [
    { metric: "acc", aggregation: "mean", higherIsBetter: true },
    { metric: "acc_norm", aggregation: "mean", higherIsBetter: true },
  ],
  metadata: { version: 1 },
};
const row = (value: Record<string, unknown>) => ({ id: "f.jsonl: row 3", value });
const answers = (...logprobs: number[]): Loglikelihood[] =>
  logprobs.map((logprob) => ({ logprob, isGreedy: false, numTokens: 1 }));

describe("defineTask", () => {
  it("asks one continuation per choice after the same context", () => {
    const task = defineTask({ ...base, description: "Choose.\n" });
    const document = task.document(row({ q: "1+1?", options: ["2", " 3"], gold: 0 }));
    expect(task.requests(document)).toEqual([
      { type: "loglikelihood", context: "Choose.\nQ: 1+1?\nA:", continuation: " 2" },
      { type: "loglikelihood", context: "Choose.\nQ: 1+1?\nA:", continuation: "  3" },
    ]);
  });

  it("takes the first of equals, and divides by code points", () => {
    const task = defineTask(base);
    const document = task.document(row({ q: "", options: ["😀😀", "abc"], gold: 0 }));
    expect(task.score(document, answers(-2, -2))).toEqual({ acc: 1, acc_norm: 0 }); // -1 against -2/3
    expect(task.score(document, answers(-2, -3))).toEqual({ acc: 1, acc_norm: 1 }); // -1 against -1: the first
  });

  it("counts any of several right choices, and choices named by their text", () => {
    const task = defineTask(base);
    const document = task.document(row({ q: "", options: ["a", "b", "c"], gold: [1, 2] }));
    expect(task.score(document, answers(-3, -2, -1))).toMatchObject({ acc: 1 });
    expect(task.score(document, answers(-1, -2, -3))).toMatchObject({ acc: 0 });
    const named = task.document(row({ q: "", options: ["a", "b"], gold: "b" }));
    expect(task.score(named, answers(-3, -2))).toMatchObject({ acc: 1 });
  });

  it("asks every choice once more without context for mutual information", () => {
    const task = defineTask({
      ...base,
      metricList: [{ metric: "acc_mutual_info", aggregation: "mean", higherIsBetter: true }],
    });
    const document = task.document(row({ q: "x", options: ["a", "b"], gold: 1 }));
    expect(task.requests(document).slice(2)).toEqual([
      { type: "loglikelihood", context: "", continuation: " a" },
      { type: "loglikelihood", context: "", continuation: " b" },
    ]);
    // -1 - -1 = 0 against -2 - -5 = 3
    expect(task.score(document, answers(-1, -2, -1, -5))).toEqual({ acc_mutual_info: 1 });
  });

  it("compares a written text, passing over what its options say", () => {
    const task = defineTask({
      ...base,
      outputType: "generate_until",
      docToTarget: "answer",
      metricList: [{ metric: "exact_match", aggregation: "mean", higherIsBetter: true }],
      metricOptions: {
        exact_match: { ignoreCase: true, ignorePunctuation: true, regexesToIgnore: ["^the "] },
      },
      generationKwargs: { until: ["\n"], maxGenToks: 5 },
    });
    const document = task.document(row({ q: "x", options: [], answer: "Cat" }));
    expect(task.requests(document)).toEqual([
      { type: "generate_until", context: "Q: x\nA:", until: ["\n"], maxTokens: 5, temperature: 0 },
    ]);
    expect(task.score(document, ["the cat."])).toEqual({ exact_match: 1 });
    expect(task.score(document, ["dog"])).toEqual({ exact_match: 0 });
  });

  it("prints its settings as lm-eval does, functions as their source", () => {
    const { config } = defineTask({ ...base, docToTarget: (doc) => doc["gold"] as number });
    expect(config).toMatchObject({
      task: "t",
      dataset_path: "o/n",
      test_split: "test",
      doc_to_text: "Q: {{q}}\nA:",
      doc_to_target: '(doc) => doc["gold"]',
      target_delimiter: " ",
      num_fewshot: 0,
      metric_list: [{ metric: "acc", aggregation: "mean", higher_is_better: true }, { metric: "acc_norm" }],
    });
  });

  it.each<[string, Partial<TaskConfig>, Record<string, unknown>, string]>([
    [
      "a wrong column",
      { columns: z.looseObject({ q: z.string() }) },
      { question: "x" },
      'f.jsonl: row 3: t: "q": expected string, got nothing.',
    ],
    [
      "a missing column of a template",
      {},
      { options: ["a"], gold: 0 },
      't: doc_to_text: expected the row to have "q"',
    ],
    [
      "empty choices",
      {},
      { q: "", options: [], gold: 0 },
      "t: doc_to_choice: expected at least one choice, got an empty list.",
    ],
    [
      "choices that are no list",
      {},
      { q: "", options: 3, gold: 0 },
      "t: doc_to_choice: expected a list of choices, got 3.",
    ],
    [
      "a choice that is no text",
      {},
      { q: "", options: [null], gold: 0 },
      "t: doc_to_choice: expected choice 0 to be a text, got null.",
    ],
    [
      "a right answer out of range",
      {},
      { q: "", options: ["a", "b"], gold: 2 },
      "t: doc_to_target: expected the index (0 to 1) or the text of a choice, got 2.",
    ],
  ])("refuses %s, naming the row", (_, config, value, message) => {
    const task = defineTask({ ...base, ...config });
    const run = () => {
      const document = task.document(row(value));
      task.requests(document);
      task.score(document, answers(-1, -2));
    };
    expect(run).toThrow(message);
    expect(run).toThrow(/^f\.jsonl: row 3: t: /);
  });

  it("refuses an answer that is no number", () => {
    const task = defineTask(base);
    const document = task.document(row({ q: "", options: ["a", "b"], gold: 0 }));
    expect(() => task.score(document, answers(-1, NaN))).toThrow(
      "t: f.jsonl: row 3: expected a log-probability, got NaN.",
    );
    expect(task.score(document, answers(-1, -Infinity))).toMatchObject({ acc: 1 });
  });
});

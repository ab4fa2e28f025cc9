import type { ProgressEvent } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { defineTask } from "./define-task.js";
import { evaluate, type EvaluationJournal } from "./evaluate.js";
import { hashLanguageModel } from "./hash-language-model.js";
import type { LanguageModel } from "./language-model.js";
import type { TaskConfig } from "./task-config.js";
import type { TaskResponse } from "./task.js";

const config: TaskConfig = {
  task: "t",
  datasetPath: "o/n",
  testSplit: "test",
  outputType: "multiple_choice",
  docToText: "q",
  docToTarget: "gold",
  docToChoice: ["a", "b", "c"],
  metricList: [{ metric: "acc", aggregation: "mean", higherIsBetter: true }],
  metadata: { version: 1 },
};
const task = defineTask(config);
const documents = Array.from({ length: 20 }, (_, i) =>
  task.document({ id: `row ${i + 1}`, value: { q: `question ${i}`, gold: i % 3 } }),
);

/** Answers in reverse, and notes what it was asked. */
function reversed() {
  const asked: string[] = [];
  const inner = hashLanguageModel();
  const lm: LanguageModel = {
    ...inner,
    loglikelihood: async (requests, { onResult } = {}) => {
      const answers = await inner.loglikelihood(requests);
      for (let i = requests.length - 1; i >= 0; i--) {
        asked.push(requests[i]!.context + requests[i]!.continuation);
        onResult?.(i, answers[i]!);
      }
      return answers;
    },
  };
  return { lm, asked };
}

function memoryJournal() {
  const entries = new Map<string, readonly TaskResponse[]>();
  const journal: EvaluationJournal = {
    find: (name, index) => entries.get(`${name}/${index}`),
    append: (name, index, _, responses) => void entries.set(`${name}/${index}`, [...responses]),
  };
  return { entries, journal };
}

describe("evaluate", () => {
  it("does not depend on the order of the answers", async () => {
    const [forward] = await evaluate(hashLanguageModel(), [{ task, documents }]);
    const [backward] = await evaluate(reversed().lm, [{ task, documents }]);
    expect(backward).toEqual(forward);
    const right = forward!.documents.filter(({ metrics }) => metrics["acc"] === 1).length;
    expect(forward!.metrics).toEqual([
      {
        metric: "acc",
        aggregation: "mean",
        higherIsBetter: true,
        value: right / 20,
        stderr: expect.closeTo(Math.sqrt(((right / 20) * (1 - right / 20)) / 19), 12),
      },
    ]);
  });

  it("asks nothing that the journal knows, and comes to the same result", async () => {
    const { entries, journal } = memoryJournal();
    const [whole] = await evaluate(hashLanguageModel(), [{ task, documents }], { journal });
    expect(entries.size).toBe(20);
    for (const index of [3, 7]) entries.delete(`t/${index}`);
    const { lm, asked } = reversed();
    const [resumed] = await evaluate(lm, [{ task, documents }], { journal });
    expect(resumed).toEqual(whole);
    expect(asked).toEqual([7, 7, 7, 3, 3, 3].map((i, k) => `question ${i} ${"cba"[k % 3]}`));
    expect(entries.size).toBe(20);
  });

  it("keeps what was answered before an interruption", async () => {
    const { entries, journal } = memoryJournal();
    const abort = new AbortController();
    const lm: LanguageModel = {
      ...hashLanguageModel(),
      loglikelihood: async (requests, { onResult, signal } = {}) => {
        for (let i = 0; i < requests.length; i++) {
          signal!.throwIfAborted();
          onResult!(i, { logprob: -1, isGreedy: false, numTokens: 1 });
          if (i === 10) abort.abort();
        }
        return [];
      },
    };
    const run = evaluate(lm, [{ task, documents }], { journal, signal: abort.signal });
    await expect(run).rejects.toMatchObject({ name: "InterruptedError" });
    expect([...entries.keys()]).toEqual(["t/0", "t/1", "t/2"]);
  });

  it("tells about its documents as they are done", async () => {
    const events: ProgressEvent[] = [];
    await evaluate(hashLanguageModel(), [{ task, documents: documents.slice(0, 2) }], {
      progress: (event) => events.push(event),
    });
    expect(events).toEqual([
      { type: "start", task: "t", total: 2, unit: "documents" },
      { type: "advance", task: "t", done: 1, total: 2, unit: "documents" },
      { type: "advance", task: "t", done: 2, total: 2, unit: "documents" },
      { type: "end", task: "t" },
    ]);
  });

  it("asks for whole texts and written ones, too", async () => {
    const rolling = defineTask({
      ...config,
      outputType: "loglikelihood_rolling",
      docToTarget: "q",
      metricList: [{ metric: "byte_perplexity", aggregation: "weighted_perplexity", higherIsBetter: false }],
    });
    const written = defineTask({
      ...config,
      outputType: "generate_until",
      docToTarget: "5",
      metricList: [{ metric: "exact_match", aggregation: "mean", higherIsBetter: true }],
    });
    const [first, second] = await evaluate(hashLanguageModel(), [
      { task: rolling, documents },
      { task: written, documents },
    ]);
    expect(first!.metrics[0]!.value).toBeGreaterThan(1);
    expect(second!.documents.every(({ responses }) => /^\d$/.test(responses[0] as string))).toBe(true);
  });

  it("names a document that a model leaves unanswered", async () => {
    const lm: LanguageModel = { ...hashLanguageModel(), loglikelihood: async () => [] };
    await expect(evaluate(lm, [{ task, documents }])).rejects.toThrow(
      "t: expected an answer to each request, got 3 too few for document 0.",
    );
  });
});

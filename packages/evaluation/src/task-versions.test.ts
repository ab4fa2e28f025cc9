import { Host } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { evaluationPlugin } from "./evaluation-plugin.js";
import type { Task, TaskGroup } from "./task.js";

const { tasks } = new Host().use(evaluationPlugin).registries;
const create = async (name: string, version: string) => (await tasks.create(name, { version })) as Task;

const CLOZE = "He likes   _  .";
const passage = {
  id: "race: row 1",
  value: {
    article: "A.",
    problems: `[{'question': '${CLOZE}', 'answer': 'B', 'options': ['w', 'x', 'y', 'z']}, {'question': 'Who?', 'answer': 'D', 'options': ['e', 'f', 'g', 'h']}]`,
  },
};
const truth = {
  id: "tqa: row 1",
  value: {
    question: "q",
    mc1_targets: { choices: ["a"], labels: [1] },
    mc2_targets: { choices: ["a", "b", "c"], labels: [1, 0, 1] }, // not sorted
  },
};

describe("task versions", () => {
  it("differ in race's earlier cloze questions", async () => {
    const contextOf = async (version: string) => {
      const task = await create("race", version);
      const [request] = task.requests(task.document(passage));
      return (request as { context: string }).context;
    };
    expect(await contextOf("pinned")).toBe("Article: A.\n\n _  .x\nWho?");
    expect(await contextOf("current")).toBe("Article: A.\n\nHe likes  x\nWho?");
  });

  it("differ in which answers of truthfulqa_mc2 are true", async () => {
    const scoreOf = async (version: string) => {
      const task = await create("truthfulqa_mc2", version);
      const responses = [0.5, 0.3, 0.2].map((p) => ({ logprob: Math.log(p), isGreedy: false, numTokens: 1 }));
      return task.score(task.document(truth), responses)["acc"];
    };
    expect(await scoreOf("pinned")).toBeCloseTo(0.5, 12);
    expect(await scoreOf("current")).toBeCloseTo(0.7, 12);
  });

  it("have lm-eval's version numbers and data sets", async () => {
    const versions = async (name: string) =>
      Promise.all(["pinned", "current"].map(async (version) => (await create(name, version)).version));
    expect(await versions("race")).toEqual([2, 3]);
    expect(await versions("truthfulqa_mc2")).toEqual([2, 3]);
    expect(await versions("boolq")).toEqual([2, 2]);
    expect((await create("piqa", "pinned")).config["dataset_path"]).toBe("piqa");
    expect((await create("piqa", "current")).config["dataset_path"]).toBe("baber/piqa");
  });

  it("group SDMPrune's eleven tasks, all of which exist", async () => {
    const group = (await tasks.create("sdmprune-paper")) as TaskGroup;
    expect(group.tasks).toHaveLength(11);
    for (const name of group.tasks) expect(tasks.has(name)).toBe(true);
  });

  it("refuse others", async () => {
    await expect(tasks.create("race", { version: "old" })).rejects.toThrow(
      'task "race": "version": expected "pinned" or "current", got "old".',
    );
  });
});

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runCli } from "./run-cli.js";
import { runMany } from "./run-many.js";

const cwd = temporaryFolder();
const NUM_DOCUMENTS = 60;
/** Time for a handful of runs of the command on a busy machine. */
const SEVERAL_RUNS_MS = 180_000;

/** A model that takes its time, and counts what it is asked. */
const SLOW = `
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { definePlugin } from "@sdmprune/core";
import { hashLanguageModel } from "@sdmprune/evaluation";

const inner = hashLanguageModel();
export default definePlugin({
  name: "slow",
  register({ languageModels }) {
    languageModels.register("slow", () => ({
      ...inner,
      async loglikelihood(requests, { onResult } = {}) {
        const answers = await inner.loglikelihood(requests);
        for (const [i, answer] of answers.entries()) {
          await setTimeout(Number(process.env.SLOW_MS));
          appendFileSync("asked.txt", "x");
          onResult?.(i, answer);
        }
        return answers;
      },
    }));
  },
});
`;

beforeAll(async () => {
  mkdirSync(join(cwd, "data"));
  const rows = Array.from({ length: NUM_DOCUMENTS }, (_, i) =>
    JSON.stringify({ goal: `goal ${i}`, sol1: `one ${i}`, sol2: `another ${i}`, label: i % 2 }),
  );
  writeFileSync(join(cwd, "data/piqa.jsonl"), rows.join("\n"));
  writeFileSync(join(cwd, "slow.mjs"), SLOW);
  writeFileSync(
    join(cwd, "mine.yaml"),
    `task: mine
dataset_path: json
dataset_kwargs: { data_files: { test: data/piqa.jsonl } }
test_split: test
output_type: multiple_choice
doc_to_text: "{{goal}}"
doc_to_target: label
doc_to_choice: "{{[sol1, sol2]}}"
`,
  );
  await tinyLlama().write(join(cwd, "model"));
});

const run = (args: string, options: Parameters<typeof runCli>[1] = {}) =>
  runCli(args.split(" "), { cwd, ...options });
const resultsOf = (folder: string): unknown => {
  const name = readdirSync(join(cwd, folder)).find((each) => each.startsWith("results_"))!;
  return (JSON.parse(readFileSync(join(cwd, folder, name), "utf8")) as { results: unknown }).results;
};

describe("sdmprune eval", () => {
  /** Runs a command and kills it once its journal has so many documents, and a moment later. */
  const killAt = async (args: string, journal: string, documents: number, delayMs: number, env = {}) => {
    let timer: NodeJS.Timeout | undefined;
    const watch = (child: { kill(signal: "SIGKILL"): boolean }): void => {
      timer ??= setInterval(() => {
        if (linesOf(journal).length - 1 < documents) return;
        clearInterval(timer);
        setTimeout(() => child.kill("SIGKILL"), delayMs);
      }, 2);
    };
    const killed = await run(args, { env, onLine: (_, child) => watch(child) });
    clearInterval(timer);
    return killed;
  };
  /** Whole lines of a journal, its head first. */
  const linesOf = (journal: string): string[] =>
    existsSync(journal) ? readFileSync(journal, "utf8").split("\n").slice(0, -1) : [];

  const moments = (seed: number, count: number) => {
    const rng = new Rng(seed, "kills");
    return Array.from({ length: count }, () => ({ documents: rng.integer(40), delayMs: rng.integer(50) }));
  };

  it.each(moments(1, 3).map((moment, i) => ({ ...moment, i })))(
    "loses no scored document to a kill after $documents and $delayMs ms, and asks none twice",
    async ({ documents, delayMs, i }) => {
      const args = "eval slow --plugin ./slow.mjs --tasks piqa --data-dir data --bootstrap-iters 0";
      const journal = join(cwd, `out${i}/slow/journal.jsonl`);
      writeFileSync(join(cwd, "asked.txt"), "");
      const numAnswers = () => readFileSync(join(cwd, "asked.txt"), "utf8").length;
      const killed = await killAt(`${args} -o out${i}`, journal, documents, delayMs, { SLOW_MS: "15" });
      expect(killed.code).toBeNull();
      const numKept = linesOf(journal).length - 1;
      expect(numKept).toBeLessThan(NUM_DOCUMENTS);
      // An answer is noted just before it is told: of the last document it may not have been told yet.
      expect(numKept).toBeGreaterThanOrEqual(Math.floor(numAnswers() / 2) - 1);

      writeFileSync(join(cwd, "asked.txt"), "");
      const resumed = await run(`${args} -o out${i}`, { env: { SLOW_MS: "0" } });
      if (numKept > 0) {
        expect(resumed.stderr).toContain(`journal: ${numKept} documents are known from an earlier run.`);
      }
      expect(numAnswers()).toBe(2 * (NUM_DOCUMENTS - numKept));
      if (i === 0) await run(`${args} -o whole`, { env: { SLOW_MS: "0" } });
      expect(resultsOf(`out${i}/slow`)).toEqual(resultsOf("whole/slow"));
    },
    SEVERAL_RUNS_MS,
  );

  it(
    "goes on after kill upon kill with a checkpoint, to the same results",
    async () => {
      const args = "eval model --tasks piqa --data-dir data --bootstrap-iters 0 --batch-size 1";
      const journal = join(cwd, "kills/model/journal.jsonl");
      for (const documents of [3, 41]) {
        await killAt(`${args} -o kills`, journal, documents, 0);
        expect(linesOf(journal).length - 1).toBeGreaterThanOrEqual(documents);
      }
      expect(await run(`${args} -o kills`)).toMatchObject({ code: 0 });
      expect(await run(`${args} -o unhurt`)).toMatchObject({ code: 0 });
      expect(resultsOf("kills/model")).toEqual(resultsOf("unhurt/model"));
      const documents = linesOf(journal)
        .slice(1)
        .map((line) => (JSON.parse(line) as { index: number }).index);
      expect(documents.sort((a, b) => a - b)).toEqual(Array.from({ length: NUM_DOCUMENTS }, (_, i) => i));
    },
    SEVERAL_RUNS_MS,
  );

  it("evaluates a checkpoint on a built-in task and on a task file of lm-eval", async () => {
    const { stdout, code } = await run(
      "eval model --tasks piqa,./mine.yaml --data-dir data --limit 4 --json",
    );
    expect(code).toBe(0);
    const { results } = JSON.parse(stdout) as { results: Record<string, object> };
    expect(results["piqa"]).toMatchObject({
      version: 1,
      documents: 4,
      metrics: { acc: { value: expect.any(Number) } },
    });
    expect(results["mine"]).toMatchObject({ metrics: { acc_norm: { stderr: expect.any(Number) } } });
  });

  it("writes the requests without a model", async () => {
    const { stdout, code } = await run(
      "eval --tasks piqa --data-dir data --limit 2 --dump-requests dump/r.jsonl",
    );
    expect(code).toBe(0);
    expect(stdout).toBe("4 requests written to dump/r.jsonl\n");
    const lines = readFileSync(join(cwd, "dump/r.jsonl"), "utf8").split("\n");
    expect(lines[3]).toBe('["Question: goal 1\\nAnswer:"," another 1"]');
  });

  it("tabulates and compares what was written", async () => {
    const commands = [
      "eval hash --tasks piqa --data-dir data -o tables --quiet",
      "eval model --tasks piqa --data-dir data -o tables --quiet",
      "show-results tables --format csv",
      "show-results tables --format markdown",
      "show-results tables --format html",
      "compare-results tables/hash tables/model --json --iters 200",
      "compare-results tables/hash tables/model --iters 200",
    ].map((args) => args.split(" "));
    const [, , csv, markdown, html, json, text] = await runMany(commands, cwd);
    expect(csv!.stdout).toMatch(/^checkpoint,piqa,piqa_stderr,mean,mean_stderr,/);
    expect(csv!.stdout.trim().split("\n")).toHaveLength(3);
    expect(markdown!.stdout).toMatch(/^\| checkpoint \| piqa \| mean \|/);
    expect(html!.stdout).toContain("<td>hash</td>");
    const { tasks } = JSON.parse(json!.stdout) as { tasks: object[] };
    expect(tasks).toMatchObject([{ task: "piqa", mcNemar: { pValue: expect.any(Number) } }]);
    expect(text!.stdout).toContain("McNemar p");
  });
});

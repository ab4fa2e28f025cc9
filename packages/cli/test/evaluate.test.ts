import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runCli } from "./run-cli.js";
import { runMany } from "./run-many.js";

const cwd = temporaryFolder();
const NUM_DOCUMENTS = 60;

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
  it("loses no scored document to a kill, and asks none twice", async () => {
    const args = "eval slow --plugin ./slow.mjs --tasks piqa --data-dir data --bootstrap-iters 0";
    const journal = join(cwd, "out/slow/journal.jsonl");
    const watch = (child: { kill(signal: "SIGKILL"): boolean }) => {
      const timer = setInterval(() => {
        const lines = existsSync(journal) ? readFileSync(journal, "utf8").split("\n").length : 0;
        if (lines < 12) return;
        clearInterval(timer);
        child.kill("SIGKILL");
      }, 5);
    };
    let isWatched = false;
    const killed = await run(`${args} -o out`, {
      env: { SLOW_MS: "20" },
      onLine: (_, child) => {
        if (!isWatched) watch(child);
        isWatched = true;
      },
    });
    expect(killed.code).toBeNull();
    const numKept = readFileSync(journal, "utf8").split("\n").length - 2; // without the head and the end
    expect(numKept).toBeGreaterThanOrEqual(10);
    expect(numKept).toBeLessThan(NUM_DOCUMENTS);

    writeFileSync(join(cwd, "asked.txt"), "");
    const resumed = await run(`${args} -o out`, { env: { SLOW_MS: "0" } });
    expect(resumed.stderr).toContain(`journal: ${numKept} documents are known from an earlier run.`);
    expect(readFileSync(join(cwd, "asked.txt"), "utf8").length).toBe(2 * (NUM_DOCUMENTS - numKept));

    await run(`${args} -o whole`, { env: { SLOW_MS: "0" } });
    expect(resultsOf("out/slow")).toEqual(resultsOf("whole/slow"));
  });

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

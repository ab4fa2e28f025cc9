import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { openCheckpoint } from "@sdmprune/model-io/node";
import type { ComparisonResults } from "@sdmprune/recipes";
import { tinyLlama } from "@sdmprune/test-utils";
import { chromiumPath, withPage } from "@sdmprune/test-utils/browser";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import { runCli, type CliOptions, type CliResult } from "./run-cli.js";

const cwd = temporaryFolder();

/** The criterion of the guide. */
const criterion = readFileSync(
  join(import.meta.dirname, "../../../docs/guides/examples/activation-mean.ts"),
  "utf8",
);

const EXPERIMENT = `
model: ./model
methods:
  - sdmprune
  - taylor
  - name: sdmprune
    label: alpha 0.9
    options: { alpha: 0.9 }
  - activation-mean
  - magnitude
ratios: [0.1, 0.2]
round_to: 1
seeds: [0, { seed: 1, ratios: [0.2] }]
reference: sdmprune
calibration: { source: ./text.txt, nsamples: 6, seqlen: 24, sampler: packed }
perplexity:
  - { name: words, text: ./text.txt, window: 32 }
tasks: { names: [./mine.yaml], ratios: [0.2], seeds: [0] }
layer_error: { text: ./text.txt, window: 32, max_windows: 2 }
latency: { prompt_tokens: 16, decode_tokens: 4, repetitions: 1 }
recovery:
  - name: lora
    data: ./text.txt
    max_steps: 2
    gradient_accumulation: 2
    max_length: 32
    learning_rate: 0.01
    methods: [taylor]
    ratios: [0.2]
    seeds: [0]
plugins: [./criterion.ts]
`;
/** dense: 2; seed 0: 1 + 5 * (4 + 5); seed 1: 1 + 5 * 3; recovery of the dense and one pruned model: 3 each. */
const NUM_CELLS = 2 + 46 + 16 + 2 * 3;

beforeAll(async () => {
  await tinyLlama().write(join(cwd, "model"));
  const words = Array.from({ length: 40 }, (_, i) => `Once there were ${i} foxes in a wood.`);
  writeFileSync(join(cwd, "text.txt"), words.join("\n\n"));
  const questions = Array.from({ length: 10 }, (_, i) =>
    JSON.stringify({ goal: `goal ${i}`, sol1: `one ${i}`, sol2: "two", label: i % 2 }),
  );
  writeFileSync(join(cwd, "questions.jsonl"), questions.join("\n"));
  writeFileSync(
    join(cwd, "mine.yaml"),
    `task: mine
dataset_path: json
dataset_kwargs: { data_files: { test: questions.jsonl } }
test_split: test
output_type: multiple_choice
doc_to_text: "{{goal}}"
doc_to_target: label
doc_to_choice: "{{[sol1, sol2]}}"
`,
  );
  writeFileSync(join(cwd, "criterion.ts"), criterion);
  writeFileSync(join(cwd, "trial.yaml"), EXPERIMENT);
});

const compare = (args: readonly string[], onLine?: CliOptions["onLine"]): Promise<CliResult> =>
  runCli(["compare", ...args], { cwd, ...(onLine && { onLine }) });

const resultsOf = (output: string): ComparisonResults =>
  JSON.parse(readFileSync(join(cwd, output, "results.json"), "utf8")) as ComparisonResults;

/** Ids of the cells that a run finished. */
const finishedIn = ({ stderr }: CliResult): string[] =>
  [...stderr.matchAll(/^\[\d+\/\d+\] (.+) in \d/gm)].map((match) => match[1]!);

/** When the file of each finished cell was written. */
function writtenCells(output: string): Record<string, number> {
  const folder = join(cwd, output, "cells");
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /[/\\]\w+\.json$/.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, statSync(join(folder, name)).mtimeMs]));
}

/** The rows without what differs from run to run. */
const numbersOf = (output: string): unknown =>
  JSON.parse(
    JSON.stringify(resultsOf(output).rows, (key, value: unknown) =>
      key === "seconds" || key === "latency" ? undefined : value,
    ),
  );

describe("sdmprune compare", { timeout: 300_000 }, () => {
  it("runs every cell once, with a custom criterion's row, and nothing the second time", async () => {
    const first = await compare(["trial.yaml", "-o", "whole"]);
    expect(first.code, first.stderr).toBe(0);
    const listed = await compare(["trial.yaml", "-o", "whole", "--list", "--json"]);
    const cells = JSON.parse(listed.stdout) as { id: string; isFinished: boolean }[];
    expect(cells).toHaveLength(NUM_CELLS);
    expect(cells.every(({ isFinished }) => isFinished)).toBe(true);
    // What is measured of two models that came out the same is measured once.
    const ran = finishedIn(first);
    const shared = cells.map(({ id }) => id).filter((id) => !ran.includes(id));
    expect(shared).toContain("magnitude/20/seed1/perplexity:words");
    expect(shared.filter((id) => !/perplexity:|layer-error|tasks|latency/.test(id))).toEqual([]);
    expect(ran).toEqual(cells.map(({ id }) => id).filter((id) => !shared.includes(id)));
    expect(readdirSync(join(cwd, "whole")).sort()).toEqual([
      "cells",
      "leaderboard.md",
      "report.html",
      "results.json",
    ]);

    const { rows, cells: counts, reference } = resultsOf("whole");
    expect(counts).toMatchObject({ finished: NUM_CELLS, all: NUM_CELLS });
    expect(reference).toBe("sdmprune");
    const recovered = rows.filter(({ recovery }) => recovery !== undefined);
    expect(recovered.map(({ label, ratio }) => `${label} ${ratio}`)).toEqual(["dense 0", "taylor 0.2"]);
    for (const row of recovered) {
      expect(row.seeds[0]!.recovery).toMatchObject({ mode: "lora", steps: 2, tokens: 4 * 32 });
      const before = rows.find(
        ({ label, ratio, recovery }) => label === row.label && ratio === row.ratio && recovery === undefined,
      )!;
      expect(row.perplexity["words"]!.mean).toBeLessThan(before.perplexity["words"]!.mean);
    }
    const asPruned = rows.filter(({ recovery }) => recovery === undefined);
    expect(asPruned.map(({ label, ratio }) => `${label} ${ratio}`)).toEqual([
      "dense 0",
      ...["sdmprune", "taylor", "alpha 0.9", "activation-mean", "magnitude"].flatMap((label) => [
        `${label} 0.1`,
        `${label} 0.2`,
      ]),
    ]);
    const mine = rows.find(({ label, ratio }) => label === "activation-mean" && ratio === 0.2)!;
    expect(mine.seeds).toHaveLength(2);
    expect(mine.perplexity["words"]!.n).toBe(2);
    expect(mine.versusReference!.nll["words"]!.pValue).toBeGreaterThan(0);
    expect(mine.versusReference!.mcNemar).toBeDefined();
    const page = readFileSync(join(cwd, "whole/leaderboard.md"), "utf8");
    expect(page).toMatch(/^\| activation-mean +\|/m);

    const before = numbersOf("whole");
    const second = await compare(["trial.yaml", "-o", "whole"]);
    expect(second).toMatchObject({ code: 0 });
    expect(finishedIn(second)).toEqual([]);
    expect(second.stdout).toContain(`0 cells ran, ${NUM_CELLS} were finished before`);
    expect(numbersOf("whole")).toEqual(before);
  });

  it.skipIf(chromiumPath === undefined)(
    "draws a report that a browser shows without complaint, offline, by day and by night (skipped without Chromium: apt-get install chromium)",
    async () => {
      const file = join(cwd, "whole/report.html");
      for (const colorScheme of ["light", "dark"] as const) {
        await withPage(
          file,
          async ({ page, problems, requests }) => {
            expect({ problems, requests }).toEqual({ problems: [], requests: [] });
            const marks = async (section: string, mark: string): Promise<number> =>
              page.locator(`#${section} svg [aria-label="${mark}"] > *`).count();
            // 5 methods: 2 ratios, and one recovered model in a plot of its own; 2 layers at each of 2 ratios; one matrix for each ratio; 2 layers of 40 groups
            expect(await marks("perplexity", "dot")).toBe(10 + 1);
            expect(await marks("perplexity", "line")).toBe(5 + 1);
            expect(await marks("accuracy", "dot")).toBe(5 + 1);
            expect(await marks("layer-error", "dot")).toBe(20);
            expect(await marks("overlap", "cell")).toBe(20 + 25);
            expect(await marks("scores", "rect")).toBe(5 * 2 * 40);
            expect(await marks("size", "dot")).toBe(10 + 4);
            const named = await page
              .locator('svg[role="img"]')
              .evaluateAll((all) => all.map((svg) => svg.getAttribute("aria-label")));
            expect(named.every((name) => name !== null && name.length > 10)).toBe(true);
            // The second ratio comes into sight by the keyboard alone.
            const [first, second] = [page.locator("#overlap .choice-0"), page.locator("#overlap .choice-1")];
            expect([await first.isVisible(), await second.isVisible()]).toEqual([true, false]);
            await page.locator("#overlap-ratio-0").focus();
            await page.keyboard.press("ArrowRight");
            expect([await first.isVisible(), await second.isVisible()]).toEqual([false, true]);
            const { text, background } = await page.evaluate(() => {
              const { color, backgroundColor } = getComputedStyle(document.body);
              return { text: color, background: backgroundColor };
            });
            expect(text).not.toBe(background);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
            expect(wide).toBe(false);
          },
          { colorScheme, width: colorScheme === "light" ? 1280 : 390 },
        );
      }
    },
  );

  it("shares one pass over the samples between methods and prunes the same bytes as prune does", async () => {
    const records = readdirSync(join(cwd, "whole/cells/score"))
      .filter((name) => name.endsWith(".json"))
      .map(
        (name) =>
          JSON.parse(readFileSync(join(cwd, "whole/cells/score", name), "utf8")) as {
            id: string;
            value: { importance: string; numShared: number };
          },
      );
    const ofSeed0 = records
      .filter(({ id }) => id === "score/seed0")
      .map(({ value }) => `${value.importance} ${value.numShared}`);
    // taylor serves three methods; both self-distillations see the same student.
    expect(ofSeed0.sort()).toEqual([
      "activation-mean 3",
      "magnitude 3",
      "self-distillation 2",
      "self-distillation 2",
      "taylor 3",
    ]);
    for (const [method, seed, flags] of [
      ["sdmprune", "1", ["--alpha", "0.9"]],
      ["activation-mean", "0", []],
    ] as const) {
      const output = `by-prune-${method}`;
      const args = [
        "prune",
        "model",
        "-o",
        output,
        "--method",
        method,
        "--seed",
        seed,
        "--ratio",
        "0.2",
        "--round-to",
        "1",
      ];
      args.push(
        "--calibration",
        "text.txt",
        "--nsamples",
        "6",
        "--seqlen",
        "24",
        "--sampler",
        "packed",
        "--plugin",
        "./criterion.ts",
        ...flags,
      );
      expect(await runCli(args, { cwd })).toMatchObject({ code: 0 });
      const sha256 = await (await openCheckpoint(join(cwd, output))).hash();
      const label = method === "sdmprune" ? "alpha 0.9" : method;
      const pruned = readdirSync(join(cwd, "whole/cells/prune"))
        .map(
          (name) =>
            JSON.parse(readFileSync(join(cwd, "whole/cells/prune", name), "utf8")) as {
              id: string;
              value: { modelSha256: string };
            },
        )
        .find(({ id }) => id === `${label}/20/seed${seed}/prune`)!;
      expect(pruned.value.modelSha256).toBe(sha256);
    }
  });

  it("recomputes nothing that was finished when it is killed, and ends with the same numbers", async () => {
    const rng = new Rng(1, "kill");
    const finished: string[] = [];
    let kept = writtenCells("killed");
    for (let kills = 0; kills < 3; kills++) {
      const after = 2 + rng.integer(8);
      let numLines = 0;
      const killed = await compare(["trial.yaml", "-o", "killed"], (line, child) => {
        if (!line.startsWith("[") || ++numLines !== after) return;
        setTimeout(() => child.kill("SIGKILL"), 250 * rng.uniform());
      });
      expect(killed.code).toBe(null);
      finished.push(...finishedIn(killed));
      expect(writtenCells("killed")).toMatchObject(kept);
      kept = writtenCells("killed");
      expect(Object.keys(kept).length).toBeGreaterThanOrEqual(after);
    }
    let isStopped = false;
    const interrupted = await compare(["trial.yaml", "-o", "killed"], (line, child) => {
      if (!line.startsWith("[") || isStopped) return;
      isStopped = true;
      child.kill("SIGINT");
    });
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toMatch(
      /^error: Interrupted after \d+ of \d+ cells\. They are kept: the same command goes on from there\.$/m,
    );
    finished.push(...finishedIn(interrupted));
    const last = await compare(["trial.yaml", "-o", "killed"]);
    expect(last, last.stderr).toMatchObject({ code: 0 });
    finished.push(...finishedIn(last));
    // No file of a finished cell was written again, no cell ran twice to its end.
    expect(writtenCells("killed")).toMatchObject(kept);
    expect(new Set(finished).size).toBe(finished.length);
    expect(numbersOf("killed")).toEqual(numbersOf("whole"));
  });

  it("comes to the same numbers with several workers", async () => {
    const parallel = await compare(["trial.yaml", "-o", "parallel", "--max-parallel", "2"]);
    expect(parallel.code, parallel.stderr).toBe(0);
    expect(numbersOf("parallel")).toEqual(numbersOf("whole"));
    expect(readdirSync(join(cwd, "parallel")).sort()).toEqual(readdirSync(join(cwd, "whole")).sort());
  });

  it("goes on after a cell that fails, and says what failed", async () => {
    writeFileSync(
      join(cwd, "nan.mjs"),
      `import { definePlugin } from "@sdmprune/core";
const criterion = { needs: {}, finish: ({ score }) => score.map(() => NaN) };
export default definePlugin({ name: "nan", register: ({ importances }) => importances.register("nan", () => criterion) });`,
    );
    const more = "  - nan\n  - { name: magnitude, label: mag, options: { of: down } }\n";
    const text = EXPERIMENT.replace("  - magnitude\n", more);
    writeFileSync(join(cwd, "broken.yaml"), text.replace("[./criterion.ts]", "[./criterion.ts, ./nan.mjs]"));
    const failed = await compare(["broken.yaml", "-o", "whole", "--only", "*/20/seed0/*"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("warning: nan/20/seed0/prune: ");
    expect(failed.stderr).toMatch(
      /^error: compare: 6 of \d+ cells failed, first score\/seed0: importance "nan".* The others are finished; the same command tries again\.$/m,
    );
    // The scores of the others are there all the same.
    expect(finishedIn(failed)).toEqual([
      "mag/20/seed0/prune",
      "mag/20/seed0/perplexity:words",
      "mag/20/seed0/layer-error",
      "mag/20/seed0/tasks",
    ]);
  });

  it("runs again what depends on a plugin's code, and nothing else", async () => {
    writeFileSync(join(cwd, "criterion.ts"), criterion.replace("default(1)", "default(2)"));
    const changed = await compare(["trial.yaml", "-o", "whole"]);
    writeFileSync(join(cwd, "criterion.ts"), criterion);
    expect(changed).toMatchObject({ code: 0 });
    expect(finishedIn(changed).filter((id) => !/^(score|activation-mean)\//.test(id))).toEqual([]);
    expect(finishedIn(changed)).toContain("activation-mean/10/seed0/prune");
  });

  it("runs the cells of a pattern only", async () => {
    rmSync(join(cwd, "some"), { recursive: true, force: true });
    const some = await compare(["trial.yaml", "-o", "some", "--only", "magnitude/10/*"]);
    expect(some).toMatchObject({ code: 0 });
    expect(finishedIn(some)).toEqual([
      "score/seed0",
      "magnitude/10/seed0/prune",
      "magnitude/10/seed0/perplexity:words",
      "magnitude/10/seed0/layer-error",
      "magnitude/10/seed0/latency",
    ]);
    const none = await compare(["trial.yaml", "-o", "some", "--only", "magnitud/*"]);
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain(
      'only: expected a pattern that some cell fits, such as "dense/perplexity:words", got "magnitud/*".',
    );
  });
});

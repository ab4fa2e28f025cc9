import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { folderContents, temporaryFolder } from "./folder-contents.js";
import { runCli } from "./run-cli.js";
import { runMany } from "./run-many.js";

const shared = process.env["SDMPRUNE_SHARED"] ?? resolve(import.meta.dirname, "../../../../shared");
const stories = join(shared, "checkpoints/stories260K");
const root = temporaryFolder();

beforeAll(async () => {
  await tinyLlama().write(join(root, "model"));
  const text = Array.from({ length: 30 }, (_, i) => `Once there were ${i} foxes in a wood.`).join("\n\n");
  writeFileSync(join(root, "text.txt"), text);
});

const sdmprune = (command: string) => runCli(command.split(" "), { cwd: root });

/** Runs with `--json`, all in one process, and gives the one document that each printed. */
async function runJson(...commands: string[]): Promise<unknown[]> {
  const results = await runMany(
    commands.map((command) => [...command.split(" "), "--json"]),
    root,
  );
  return results.map(({ code, stdout, stderr }, i) => {
    expect({ command: commands[i], code, stderr: code === 0 ? "" : stderr }).toMatchObject({
      code: 0,
      stderr: "",
    });
    return JSON.parse(stdout) as unknown;
  });
}

describe("--json prints one document on standard output", () => {
  const calibration = "--calibration text.txt --nsamples 3 --seqlen 16";

  it("for prune, which says on standard error how long it will take, and for inspect of what it wrote", async () => {
    const { code, stdout, stderr } = await sdmprune(`prune model -o pruned --width 16 ${calibration} --json`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      output: "pruned",
      widths: [16, 16],
      parameters: { before: { total: 8048 }, after: { total: 8048 - 2 * 8 * 48 } },
      compatibility: [{ consumer: "transformers", status: "yes" }, {}, {}, {}],
    });
    expect(stderr).toMatch(/^stage 1: taylor: 3 samples, about \d+ s$/m);
    const [checkpoint, scores, plan] = await runJson(
      "inspect pruned",
      "inspect pruned/pruning/scores.safetensors",
      "inspect pruned/pruning/plan.json",
      // the plan and the scores of a run give its checkpoint again
      "prune model -o by-plan --plan pruned/pruning/plan.json",
      "prune model -o by-scores --width 16 --scores pruned/pruning/scores.safetensors",
    );
    expect(checkpoint).toMatchObject({
      kind: "checkpoint",
      modelType: "llama",
      intermediateSizes: [16, 16],
      parameters: { total: 8048 - 2 * 8 * 48 },
      dtypes: { F32: 4 * (8048 - 2 * 8 * 48) },
    });
    const series = [{ name: "stage1/taylor" }, { name: "stage2/self-distillation" }];
    expect(scores).toMatchObject({ kind: "scores", series });
    expect(plan).toMatchObject({
      kind: "plan",
      plan: { layers: [{ intermediateSize: 24, width: 16 }, { width: 16 }] },
    });
    const [whole, byPlan, byScores] = ["pruned", "by-plan", "by-scores"].map((name) =>
      folderContents(join(root, name)),
    );
    expect(byScores).toEqual(whole);
    expect(byPlan!.get("model.safetensors")).toBe(whole!.get("model.safetensors"));
  });

  it("for score, ls, and a plan that is only made", async () => {
    const [scores, entries, plan] = await runJson(
      `score model --importance taylor,wanda -o s.safetensors ${calibration}`,
      "ls importance",
      "prune model --method wanda --scores s.safetensors --width 4 --plan-only",
    );
    expect(scores).toEqual({
      output: "s.safetensors",
      importances: { taylor: { layers: 2, widths: [24, 24] }, wanda: { layers: 2, widths: [24, 24] } },
    });
    const listed = entries as { name: string; options: { name: string }[] }[];
    expect(listed.slice(0, 5).map(({ name }) => name)).toEqual([
      "self-distillation",
      "taylor",
      "magnitude",
      "wanda",
      "random",
    ]);
    expect(listed[0]!.options.map(({ name }) => name)).toEqual(["loss", "alpha", "tau", "absolute"]);
    expect(plan).toMatchObject({ format: "sdmprune-plan", layers: [{ width: 4 }, { width: 4 }] });
  });

  it("for ppl and generate", async () => {
    const sampled = "generate model --prompt fox --max-tokens 5 --temperature 1 --seed 3";
    const [perplexity, generated, again] = await runJson(
      "ppl model --text text.txt --window 32",
      sampled,
      sampled,
    );
    expect(perplexity).toEqual({
      perplexity: expect.any(Number) as number,
      nll: expect.any(Number) as number,
      tokens: readFileSync(join(root, "text.txt")).length,
      window: 32,
      stride: 32,
      bos: "each",
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(generated).toMatchObject({ prompt: "fox", promptIds: [0, 104, 113, 122] });
    expect(again).toEqual(generated);
  });
});

describe("the program", () => {
  it("reads the config file of the folder it runs in; flags win", async () => {
    const cwd = join(root, "with-config");
    mkdirSync(cwd);
    const config = {
      model: "../model",
      output: "out",
      method: "random",
      width: 8,
      seed: 5,
      plugins: ["./plugin.ts"],
    };
    writeFileSync(join(cwd, "sdmprune.config.ts"), `export default ${JSON.stringify(config)};`);
    const plugin = `import { definePlugin } from "@sdmprune/core";
      export default definePlugin({
        name: "by-index",
        register: ({ importances }) =>
          importances.register("by-index", () => ({ needs: {}, finish: ({ score }) => score.map((_, n) => -n) })),
      });`;
    writeFileSync(join(cwd, "plugin.ts"), plugin);
    expect(await runCli(["prune"], { cwd })).toMatchObject({ code: 0 });
    const manifest = readFileSync(join(cwd, "out/pruning_manifest.json"), "utf8");
    expect(JSON.parse(manifest)).toMatchObject({ method: "random", seed: 5, target: { width: 8 } });
    const args = [
      "prune",
      "--method",
      "by-index",
      "--ratio",
      "0.5",
      "--ratio-of",
      "mlp",
      "--round-to",
      "1",
      "-o",
      "other",
    ];
    expect(await runCli(args, { cwd })).toMatchObject({ code: 0 });
    const kept = Array.from({ length: 12 }, (_, n) => n);
    expect(JSON.parse(readFileSync(join(cwd, "other/pruning_manifest.json"), "utf8"))).toMatchObject({
      method: "by-index",
      seed: 5,
      target: { pruning_ratio: 0.5, ratio_of: "mlp", round_to: 1 },
      layers: [{ kept }, { kept }],
    });
  });

  it("exits with 2 for wrong usage, with 1 for other errors, and with 0 for help that lists what runs", async () => {
    const [help, none, pruneHelp, usage, error] = await Promise.all(
      ["--help", "", "prune --help", "prune model", "inspect text.txt"].map((command) =>
        runCli(command.split(" ").filter(Boolean), { cwd: root }),
      ),
    );
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const verb of ["prune", "score", "ppl", "generate", "inspect", "ls", "demo"]) {
      expect(help!.stdout).toMatch(new RegExp(`^  ${verb} .*[A-Z]`, "m"));
    }
    expect(none).toMatchObject({ code: 2, stdout: "", stderr: help!.stdout });
    expect(pruneHelp!.stdout).toContain("--calibration <source>");
    expect(usage).toMatchObject({ code: 2, stdout: "" });
    expect(error).toMatchObject({ code: 1, stdout: "" });
    expect(usage!.stderr + error!.stderr).toMatch(/^error: .+\nerror: .+\n$/);
  });

  it("is documented in full: every verb and option of the help stands in the README", async () => {
    const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
    const [program] = await runMany([["--help"]], root);
    const verbs = [...program!.stdout.split("Commands:")[1]!.matchAll(/^ {2}([\w-]+)/gm)]
      .map((match) => match[1]!)
      .filter((verb) => verb !== "help");
    expect(verbs.slice(0, 2)).toEqual(["prune", "score"]);
    const helps = await runMany(
      verbs.map((verb) => [verb, "--help"]),
      root,
    );
    const sectionOf = (title: string): string => readme.split(`### ${title}\n`)[1]?.split(/\n###? /)[0] ?? "";
    const optionsIn = (text: string): string[] =>
      [...text.matchAll(/^\| `(?:-\w, )?(--[\w-]+)/gm)].map((m) => m[1]!);
    const common = optionsIn(sectionOf("Every verb"));
    for (const [i, verb] of verbs.entries()) {
      const options = [...helps[i]!.stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map((match) => match[1]!);
      const shared = common.filter((option) => options.includes(option));
      expect([...optionsIn(sectionOf(verb)), ...shared].sort(), verb).toEqual(options.sort());
    }
  });
});

describe.skipIf(!existsSync(stories))("on stories260K (skipped without the shared checkpoints)", () => {
  it("generates the golden continuation", async () => {
    const golden = JSON.parse(readFileSync(join(stories, "golden.json"), "utf8")) as {
      greedy_from_bos: number[];
    };
    const { code, stdout } = await runCli(
      ["generate", stories, "--prompt", "", "--max-tokens", "120", "--json"],
      { cwd: root },
    );
    expect(code).toBe(0);
    const { promptIds, ids } = JSON.parse(stdout) as { promptIds: number[]; ids: number[] };
    expect([...promptIds, ...ids].slice(0, golden.greedy_from_bos.length)).toEqual(golden.greedy_from_bos);
    expect(ids).toHaveLength(120);
  });

  it("measures the perplexity that an independent computation gives", async () => {
    const fixture = join(import.meta.dirname, "../../evaluation/test/fixtures/stories260k-perplexity.json");
    const { text, cases } = JSON.parse(readFileSync(fixture, "utf8")) as {
      text: string;
      cases: ({ bytes: number; sha256: string; bos: string } & Record<
        "perplexity" | "nll" | "tokens" | "window" | "stride",
        number
      >)[];
    };
    const expected = cases.find(({ bos, stride }) => bos === "each" && stride === 200)!;
    const excerpt = join(root, "excerpt.txt");
    writeFileSync(excerpt, readFileSync(join(shared, "data/tinystories", text)).subarray(0, expected.bytes));
    const options = [
      "--window",
      String(expected.window),
      "--stride",
      String(expected.stride),
      "--bos",
      expected.bos,
    ];
    const { stdout } = await runCli(["ppl", stories, "--text", excerpt, ...options, "--json"], { cwd: root });
    const { perplexity, nll, tokens, window, stride, bos, sha256 } = expected;
    expect(JSON.parse(stdout)).toEqual({
      perplexity: expect.closeTo(perplexity, 4) as number,
      nll: expect.closeTo(nll, 5) as number,
      ...{ tokens, window, stride, bos, sha256 },
    });
  });
});

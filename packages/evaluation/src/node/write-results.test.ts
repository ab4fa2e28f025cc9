import { mkdtemp, readdir, readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Host } from "@sdmprune/core";
import { checkpointTable } from "../checkpoint-table.js";
import { compareSamples } from "../compare-samples.js";
import { evaluate } from "../evaluate.js";
import { evaluationPlugin } from "../evaluation-plugin.js";
import { hashLanguageModel } from "../hash-language-model.js";
import type { Loglikelihood } from "../language-model.js";
import type { Estimate } from "../results-table.js";
import type { Task } from "../task.js";
import { loadTaskDocuments } from "./load-task-documents.js";
import { readCheckpointResults, readSamples } from "./read-results.js";
import { writeResults } from "./write-results.js";

/** What the tests look at of a results file. */
interface Results {
  readonly results: Record<string, object>;
  readonly config: { readonly model_args: string };
  readonly configs: Record<string, { readonly doc_to_choice: string }>;
  readonly "n-samples": Record<string, object>;
  readonly sdmprune: { readonly data: Record<string, readonly { readonly sha256: string }[]> };
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sdmprune-results-"));
  await mkdir(join(dir, "data"));
  const pairs = Array.from({ length: 6 }, (_, i) => `${i}\tthe ${i}\ta ${i}`).join("\n");
  await writeFile(join(dir, "data", "crows_pairs_english.tsv"), `\tsent_more\tsent_less\n${pairs}\n`);
  const rows = Array.from({ length: 6 }, (_, i) =>
    JSON.stringify({ goal: `g${i}`, sol1: "a", sol2: " b", label: i % 2 }),
  );
  await writeFile(join(dir, "data", "piqa.jsonl"), rows.join("\n"));
  await writeFile(join(dir, "data", "wikitext.jsonl"), '{"page":" = A = \\n text of 2 words "}');
});
afterAll(() => rm(dir, { recursive: true }));

async function evaluateAll(output: string, seed: number) {
  const { tasks } = new Host().use(evaluationPlugin).registries;
  const loaded = await Promise.all(
    ["piqa", "crows_pairs_english", "wikitext"].map(async (name) =>
      loadTaskDocuments((await tasks.create(name)) as Task, { dataDir: join(dir, "data") }),
    ),
  );
  const results = await evaluate(hashLanguageModel({ seed }), loaded, { bootstrapIters: 100 });
  return writeResults(
    join(dir, output),
    results.map((result, i) => ({ ...result, numOriginal: loaded[i]!.numOriginal, files: loaded[i]!.files })),
    {
      modelName: "org/my:model",
      bootstrapIters: 100,
      startedAtMs: 0,
      endedAtMs: 1_500,
      modelArgs: { add_bos_token: true },
    },
  ).then((files) => ({ files, results }));
}

describe("writeResults", () => {
  it("writes what lm-eval's tools read, tasks without an accuracy apart", async () => {
    const { files, results } = await evaluateAll("a", 0);
    const folder = join(dir, "a", "org__my__model");
    const names = (await readdir(folder)).sort();
    expect(names.map((name) => name.replace(/_\d{4}-.*(?=\.json)/, ""))).toEqual([
      "perplexity_results.json",
      "results.json",
      "samples_crows_pairs_english.jsonl",
      "samples_piqa.jsonl",
      "samples_wikitext.jsonl",
    ]);
    expect(names.every((name) => /_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}\.jsonl?$/.test(name))).toBe(true);
    const document = JSON.parse(await readFile(files.results[0]!, "utf8")) as Results;
    const [piqa] = results;
    const [acc, accNorm] = piqa!.metrics;
    expect(document.results).toEqual({
      piqa: {
        alias: "piqa",
        "acc,none": acc!.value,
        "acc_stderr,none": acc!.stderr,
        "acc_norm,none": accNorm!.value,
        "acc_norm_stderr,none": accNorm!.stderr,
      },
      crows_pairs_english: expect.objectContaining({ alias: "crows_pairs_english" }),
    });
    expect(Object.keys(document)).toEqual([
      "results",
      "group_subtasks",
      "configs",
      "versions",
      "n-shot",
      "higher_is_better",
      "n-samples",
      "config",
      "git_hash",
      "date",
      "pretty_env_info",
      "transformers_version",
      "upper_git_hash",
      "tokenizer_pad_token",
      "tokenizer_eos_token",
      "tokenizer_bos_token",
      "eot_token_id",
      "max_length",
      "task_hashes",
      "model_source",
      "model_name",
      "model_name_sanitized",
      "system_instruction",
      "system_instruction_sha",
      "fewshot_as_multiturn",
      "chat_template",
      "chat_template_sha",
      "start_time",
      "end_time",
      "total_evaluation_time_seconds",
      "sdmprune",
    ]);
    expect(document.config.model_args).toBe("pretrained=org/my:model,add_bos_token=True");
    expect(document["n-samples"]["piqa"]).toEqual({ original: 6, effective: 6 });
    expect(document.configs["piqa"]!.doc_to_choice).toBe("{{[sol1, sol2]}}");
    expect(document.sdmprune.data["piqa"]![0]!.sha256).toMatch(/^[\da-f]{64}$/);
    const perplexities = JSON.parse(await readFile(files.results[1]!, "utf8")) as Results;
    expect(perplexities.results["wikitext"]).toMatchObject({
      "word_perplexity,none": expect.any(Number),
      "word_perplexity_stderr,none": "N/A",
    });
  });

  it("writes a line per document with what was asked, answered and scored", async () => {
    const { files, results } = await evaluateAll("b", 0);
    const lines = (await readFile(files.samples[0]!, "utf8")).trimEnd().split("\n");
    expect(lines.length).toBe(6);
    const { responses } = results[0]!.documents[1]!;
    const [first, second] = responses as Loglikelihood[];
    const printed = [first!, second!].map(({ logprob, isGreedy }) => [
      String(logprob),
      isGreedy ? "True" : "False",
    ]);
    expect(JSON.parse(lines[1]!)).toEqual({
      doc_id: 1,
      doc: { goal: "g1", sol1: "a", sol2: " b", label: 1 },
      target: "1",
      arguments: {
        gen_args_0: { arg_0: "Question: g1\nAnswer:", arg_1: " a" },
        gen_args_1: { arg_0: "Question: g1\nAnswer:", arg_1: "  b" },
      },
      resps: printed.map((answer) => [answer]),
      filtered_resps: printed,
      // Python: sha256(json.dumps(doc, indent=2, ensure_ascii=False)), of the context, of "1"
      doc_hash: "6c49cfc889c217688eb6d6d27ce4cf909292ba9e2218ed53578a67272dcfeea8",
      prompt_hash: "67ad705098ad2d3c97ec8f660f93fb9609b45c6c8cc3a3e80953190833cfb730",
      target_hash: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
      acc: results[0]!.documents[1]!.metrics["acc"],
      acc_norm: results[0]!.documents[1]!.metrics["acc_norm"],
    });
  });
});

describe("readCheckpointResults", () => {
  it("puts checkpoints side by side, as SDMPrune's show_res and without CrowS-Pairs", async () => {
    await evaluateAll("run/checkpoint-200", 0);
    await evaluateAll("run/checkpoint-1000", 1);
    const checkpoints = await readCheckpointResults([join(dir, "run")]);
    expect(checkpoints.map(({ name }) => name)).toEqual(["200", "1000"]);
    const { head, rows } = checkpointTable(checkpoints);
    expect([...head].sort()).toEqual(
      ["checkpoint", "crows_pairs_english", "mean", "mean without CrowS-Pairs", "piqa", "wikitext"].sort(),
    );
    const row = new Map(head.map((title, i) => [title, rows[0]![i] as Estimate]));
    const [piqa, crows, mean] = ["piqa", "crows_pairs_english", "mean"].map((title) => row.get(title)!);
    expect(mean!.value).toBeCloseTo((piqa!.value + crows!.value) / 2, 12);
    expect(row.get("mean without CrowS-Pairs")!.value).toBe(piqa!.value);
    expect(mean!.stderr).toBeCloseTo(Math.hypot(piqa!.stderr!, crows!.stderr!) / 2, 12);
  });

  it("calls checkpoints of one name by their paths", async () => {
    await evaluateAll("dense", 0);
    await evaluateAll("pruned", 1);
    const folders = [join(dir, "dense"), join(dir, "pruned")];
    const names = (await readCheckpointResults(folders)).map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
    for (const [i, name] of names.entries()) expect(name.startsWith(folders[i]!)).toBe(true);
  });

  it("says what is missing or malformed", async () => {
    await mkdir(join(dir, "empty"), { recursive: true });
    await expect(readCheckpointResults([join(dir, "empty")])).rejects.toThrow(
      /empty: expected results_\*\.json in the folder or below, got none\./,
    );
    await expect(readCheckpointResults([join(dir, "absent")])).rejects.toThrow(
      /absent: expected a folder with results/,
    );
    await mkdir(join(dir, "bad"), { recursive: true });
    await writeFile(join(dir, "bad", "results_2026.json"), "{}");
    await expect(readCheckpointResults([join(dir, "bad")])).rejects.toThrow(
      /results_2026\.json: expected an object with "results", as lm-eval writes it, got another\./,
    );
  });
});

describe("compareSamples", () => {
  it("compares document by document", async () => {
    await evaluateAll("first", 0);
    await evaluateAll("second", 1);
    const [first, second] = [await readSamples(join(dir, "first")), await readSamples(join(dir, "second"))];
    const { tasks, skipped } = compareSamples(first, second, { iters: 200 });
    expect(skipped).toEqual(["wikitext"]);
    const piqa = tasks.find(({ task }) => task === "piqa")!;
    const values = (samples: typeof first) => samples.get("piqa")!.map(({ metrics }) => metrics["acc_norm"]!);
    const [a, b] = [values(first), values(second)];
    expect(piqa).toMatchObject({ metric: "acc_norm", numDocuments: 6 });
    expect(piqa.mcNemar).toMatchObject({
      onlyFirst: a.filter((value, i) => value > b[i]!).length,
      onlySecond: a.filter((value, i) => value < b[i]!).length,
    });
    expect(piqa.difference).toBeCloseTo(piqa.second - piqa.first, 12);
  });

  it("refuses different questions under one number", async () => {
    const first = await readSamples(join(dir, "first"));
    const changed = new Map(
      [...first].map(([task, samples]) => [task, samples.map((s) => ({ ...s, promptHash: "x" }))]),
    );
    expect(() => compareSamples(first, changed)).toThrow(
      /^(piqa|crows_pairs_english): expected the same questions in both, got different ones for document 0\./,
    );
    expect(() => compareSamples(first, new Map())).toThrow(
      "compare-results: expected a task that both have, got ",
    );
  });

  it("refuses a folder with the samples of several models", async () => {
    await expect(readSamples(dir)).rejects.toThrow(/expected the samples of one model, got those of \d/);
    await expect(readSamples(join(dir, "data"))).rejects.toThrow(
      /expected samples_\*\.jsonl in the folder or below/,
    );
  });
});

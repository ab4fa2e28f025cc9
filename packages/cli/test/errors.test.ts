import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./folder-contents.js";
import type { CliResult } from "./run-cli.js";
import { runMany } from "./run-many.js";

const root = temporaryFolder();
const STORY = Array.from({ length: 30 }, (_, i) => `Once there were ${i} foxes in a wood.`).join("\n\n");

type Case = readonly [what: string, args: string, code: 1 | 2, message: string | RegExp];

/** Arguments are split at spaces; `calibrated` stands for calibration that would do. */
const calibrated = "--calibration text.txt --nsamples 2 --seqlen 16";
const CASES: readonly Case[] = [
  ["a model that is nowhere", "prune ./nowhere -o out", 1, /nowhere: expected a checkpoint folder or a hub id such as "org\/name", got a path with nothing there\./],
  ["a model that is not in the cache", "inspect some-org/some-model", 1, /some-org\/some-model/],
  ["no model", "prune -o out", 2, "prune: expected a model. Name a checkpoint folder or a hub id."],
  ["no output", "prune model --method magnitude", 2, "prune: expected an output folder. Give one with -o DIR"],
  ["an unknown method", "prune model -o out --method sdmprun", 2, 'Unknown method "sdmprun". Did you mean "sdmprune"? Available: sdmprune, taylor, magnitude, wanda, random, llm-pruner, lora-prune, compresso.'],
  ["a ratio above 1", "prune model -o out --ratio 1.5", 2, "option '--ratio <r>' argument '1.5' is invalid. Expected the part to remove, above 0 and below 1"],
  ["a ratio that is no number", "prune model -o out --ratio a", 2, "argument 'a' is invalid"],
  ["a ratio and a width", "prune model -o out --ratio 0.2 --width 8", 2, "prune: expected a ratio or a width, got both."],
  ["a ratio that cannot be met", "prune model -o out --method random --ratio 0.9", 2, "ratio: 0.9 of total parameters needs MLPs of width"],
  ["a ratio that removes nothing", "prune model -o out --method random --ratio 0.01 --round-to 8", 2, "nothing would be removed. Choose a larger ratio, or a --round-to smaller than 8."],
  ["a width above the model's", "prune model -o out --method random --width 25", 2, "width: expected an integer from 1 to 24 (the model's intermediate_size), got 25."],
  ["an unknown option", "prune model -o out --ration 0.2", 2, "unknown option '--ration' (Did you mean --ratio?)"],
  ["an unknown verb", "prun model", 2, "unknown command 'prun' (Did you mean prune?)"],
  ["an argument too many", "inspect model model", 2, "too many arguments for 'inspect'. Expected 1 argument but got 2"],
  ["a choice that is none", "prune model -o out --ratio-of all", 2, "Allowed choices are total, non-embedding, mlp."],
  ["no calibration", "prune model -o out --width 8", 2, 'method "sdmprune" needs calibration text. Give it with --calibration FILE.'],
  ["calibration that is nowhere", "prune model -o out --width 8 --calibration no.txt", 1, "no.txt: expected a file, a folder, hub:org/name"],
  ["too little text", "prune model -o out --width 8 --calibration text.txt --nsamples 500 --seqlen 64", 2, /text\.txt.*500/],
  ["samples longer than the model takes", "prune model -o out --width 8 --calibration text.txt --seqlen 200", 2, "seqlen: expected at most 128 (the model's max_position_embeddings), got 200."],
  ["ids above the vocabulary", "prune model -o out --width 8 --calibration big-ids.jsonl", 1, 'expected "input_ids" below the model\'s vocab_size (258), got 258 at position 1.'],
  ["an unknown sampler", `prune model -o out --width 8 ${calibrated} --sampler best`, 2, 'sampler: expected long-documents or packed, got "best".'],
  ["an option that the method lacks", `prune model -o out --width 8 ${calibrated} --method wanda --alpha 0.5`, 2, 'method "wanda": unknown key "alpha"'],
  ["an output that exists", "prune model -o model --method random --width 8", 2, "expected nothing there yet, got a folder with files in it. Use force to replace it."],
  ["force on a folder that is no checkpoint", "prune model -o empty/.. --method random --width 8 --force", 2, /expected a checkpoint folder to replace, got a folder without config\.json|the model itself/],
  ["an output that cannot be written", "prune model -o text.txt/out --method random --width 8", 1, "could not be written"],
  ["a folder without a config", "prune empty -o out", 1, "empty: expected a config.json, got 0 other files. Is it a checkpoint folder in Hugging Face layout?"],
  ["a file as model", "prune text.txt -o out", 1, "text.txt: expected a checkpoint folder or a hub id"],
  ["pickled weights only", "prune pickled -o out", 1, "got pytorch_model.bin. Convert it once with Python"],
  ["a config that is no JSON", "inspect broken-config", 1, "broken-config/config.json: expected JSON, got a syntax error"],
  ["a config without a key", "inspect keyless-config", 2, 'keyless-config/config.json: "hidden_size": expected number, got nothing'],
  ["a model family that is not supported", "inspect mamba", 2, 'model_type "mamba" is not supported. Supported: llama. A plugin can add it.'],
  ["weights that do not fit the config", "inspect misfit", 1, '"model.layers.0.mlp.gate_proj.weight" must have shape [32, 16], got [24, 16]'],
  ["truncated weights", "inspect truncated", 1, "truncated/model.safetensors"],
  ["NaN weights, by magnitude", "prune nan -o out --method magnitude --width 8", 1, 'importance "magnitude": layer 1: neuron 3 got the score NaN. Check the checkpoint'],
  ["NaN weights, by data", `prune nan -o out --method taylor --width 8 ${calibrated}`, 1, /text\.txt#\d+ at token \d+/],
  ["an unknown importance", "score model --importance taylr -o s.safetensors", 2, 'Unknown importance "taylr". Did you mean "taylor"?'],
  ["an option no importance has", `score model --importance taylor --alpha 0.5 -o s.safetensors ${calibrated}`, 2, "taylor: no such option as alpha."],
  ["a score file that exists", "score model --importance random -o scores.safetensors", 2, "scores.safetensors: expected nothing there yet, got a file."],
  ["a teacher that is nowhere", "score model --importance taylor --teacher ./no -o s.safetensors", 1, "no: expected a checkpoint folder or a hub id"],
  ["an unknown allocation", "prune model -o out --method random --width 8 --allocation globl", 2, 'Unknown allocation "globl". Did you mean "global"? Available: uniform, global.'],
  ["an unknown backend", "prune model -o out --method random --width 8 --backend onx", 2, 'Unknown backend "onx". Did you mean "onnx"?'],
  ["an unknown extension point", "ls importence", 2, 'Unknown extension point "importence". Available: backend, model'],
  ["a plan that is nowhere", "prune model -o out --plan no.json", 1, 'plan: cannot read "no.json". Give a plan that prune --plan-only wrote.'],
  ["a plan that is no JSON", "prune model -o out --plan text.txt", 1, "text.txt: expected a pruning plan in JSON, got text that does not parse."],
  ["JSON that is no plan", "prune model -o out --plan big-ids.json", 2, 'big-ids.json: "format": expected "sdmprune-plan", got nothing'],
  ["a plan with indices in disorder", "prune model -o out --plan disorder.json", 1, "disorder.json: layers[0]: kept neurons must rise strictly and stay below 24."],
  ["a plan of another model", "prune other -o out --plan plan.json", 2, "plan.json: the plan is for MLPs of width [24, 24], the model has [32, 32]."],
  ["a plan and scores", "prune model -o out --plan plan.json --scores scores.safetensors", 2, "expected it alone, got scores too."],
  ["scores that are nowhere", "prune model -o out --method taylor --width 8 --scores no.safetensors", 1, "no.safetensors"],
  ["scores of another model", "prune other -o out --method random --width 8 --scores scores.safetensors", 2, "scores.safetensors: expected scores of other, got those of another model"],
  ["scores of another criterion", "prune model -o out --method wanda --width 8 --scores scores.safetensors", 1, 'scores.safetensors: expected scores of "wanda" for stage 1, got random.'],
  ["weights as scores", "prune model -o out --method taylor --width 8 --scores model/model.safetensors", 1, 'expected tensors named "<importance>/layers.<i>", got "model.embed_tokens.weight". Is it a score file?'],
  ["an unknown preset", "prune model -o out --preset paper-25", 2, 'preset: expected one of paper-20, paper-30, paper-40, got "paper-25".'],
  ["a config file that is nowhere", "prune model -o out --config no.yaml", 1, "no.yaml: no such config file."],
  ["a config file with an unknown key", "prune model -o out --config bad.yaml", 2, 'bad.yaml: unknown key "ratio"'],
  ["a plugin that is nowhere", "ls --plugin ./no.ts", 1, 'Plugin "./no.ts": no such file'],
  ["a plugin that is none", "ls --plugin ./none.mjs", 1, 'Plugin "./none.mjs": expected the default export to come from definePlugin'],
  ["no text to measure", "ppl model", 2, "required option '--text <file>' not specified"],
  ["a text that is nowhere", "ppl model --text no.txt", 1, 'text: cannot read "no.txt". Give a text file with --text FILE.'],
  ["a stride above the window", "ppl model --text text.txt --window 16 --stride 32", 2, "stride: expected an integer from 1 to the window (16), got 32."],
  ["a window above the model's maximum", "ppl model --text text.txt --window 500", 2, "window: expected at most 128, the model's longest sequence, got 500."],
  ["an empty text", "ppl model --text empty.txt", 2, "perplexity: expected a text of at least 1 token, got 0."],
  ["a prompt that is too long", `generate model --prompt ${"x".repeat(200)}`, 2, /128/],
  ["a top-p of nothing", "generate model --prompt x --top-p 0", 2, "topP: expected a number in (0, 1], got 0"],
  ["a negative temperature", "generate model --prompt x --temperature -1", 2, "argument '-1' is invalid. Expected a number from 0 to 100."],
  ["a folder without a tokenizer", "generate bare --prompt x", 1, "bare: expected a tokenizer.json, got none. Make one with Python"],
  ["a seed that is no number", "prune model -o out --seed x", 2, "argument 'x' is invalid. Expected an integer of at least 0."],
  ["something to inspect that is nowhere", "inspect no.safetensors", 1, 'inspect: there is no file "no.safetensors".'],
]; // prettier-ignore

function edit(folder: string, name: string, change: (text: string) => string): void {
  writeFileSync(join(root, folder, name), change(readFileSync(join(root, folder, name), "utf8")));
}

/** Sets one weight of `model.layers.1.mlp.up_proj.weight`, in row 3, to NaN. */
function plantNaN(folder: string): void {
  const file = join(root, folder, "model.safetensors");
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: number[] }
  >;
  bytes.writeFloatLE(
    NaN,
    start + header["model.layers.1.mlp.up_proj.weight"]!.data_offsets[0]! + 4 * (3 * 16 + 5),
  );
  writeFileSync(file, bytes);
}

let results: Map<string, CliResult>;
let before: string[];

beforeAll(async () => {
  const folders = ["model", "broken-config", "keyless-config", "mamba", "misfit", "truncated", "nan", "bare"];
  for (const name of folders) await tinyLlama().write(join(root, name));
  await tinyLlama({ intermediateSize: 32 }).write(join(root, "other"));
  edit("broken-config", "config.json", (text) => text.slice(0, 80));
  edit("keyless-config", "config.json", (text) => text.replace(/.*"hidden_size".*\n/, ""));
  edit("mamba", "config.json", (text) => text.replace('"llama"', '"mamba"'));
  edit("misfit", "config.json", (text) => text.replace('"intermediate_size": 24', '"intermediate_size": 32'));
  writeFileSync(
    join(root, "truncated/model.safetensors"),
    readFileSync(join(root, "model/model.safetensors")).subarray(0, 9000),
  );
  plantNaN("nan");
  rmSync(join(root, "bare/tokenizer.json"));
  for (const name of ["empty", "pickled"]) mkdirSync(join(root, name));
  writeFileSync(join(root, "pickled/config.json"), readFileSync(join(root, "model/config.json")));
  writeFileSync(join(root, "pickled/pytorch_model.bin"), "");
  writeFileSync(join(root, "text.txt"), STORY);
  writeFileSync(join(root, "empty.txt"), "");
  writeFileSync(join(root, "big-ids.jsonl"), '{"input_ids": [1, 258]}\n');
  writeFileSync(join(root, "big-ids.json"), "{}");
  writeFileSync(join(root, "bad.yaml"), "ratio: 0.2\n");
  writeFileSync(join(root, "none.mjs"), "export default {};");
  const [scored, planned] = await runMany(
    [
      "score model --importance random -o scores.safetensors --quiet".split(" "),
      "prune model --method random --width 8 --plan-only -o plan.json --quiet".split(" "),
    ],
    root,
  );
  expect([scored, planned]).toMatchObject([{ code: 0 }, { code: 0 }]);
  writeFileSync(
    join(root, "disorder.json"),
    readFileSync(join(root, "plan.json"), "utf8").replace(/"kept":\[(\d+),(\d+)/, '"kept":[$2,$1'),
  );

  before = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  const all = await runMany(
    CASES.map(([, args]) => [...args.split(" "), "--quiet"]),
    root,
  );
  results = new Map(CASES.map(([what], i) => [what, all[i]!]));
}, 120_000);

describe("the program, given something wrong, says so in one line and prints nothing else", () => {
  it.each(CASES)("%s: %s", (what, _, code, message) => {
    const result = results.get(what)!;
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(/^error: [^\n]+\n$/);
    if (message instanceof RegExp) expect(result.stderr).toMatch(message);
    else expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
  });

  it("leaves no file behind", () => {
    expect(readdirSync(root, { recursive: true, encoding: "utf8" }).sort()).toEqual(before);
  });
});

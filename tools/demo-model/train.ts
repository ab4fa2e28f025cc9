/**
 * Makes the demo model: corpus, tokenizer, training, checkpoint folder.
 *
 *     npx tsx --tsconfig tsconfig.base.json --conditions=@sdmprune/source tools/demo-model/train.ts
 *
 * Options: --out DIR (default packages/cli/demo-model), --work DIR for the state between runs (an interrupted
 * training goes on from there), --steps N, --threads N.
 */
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import onnxBackend from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { perplexity } from "@sdmprune/evaluation";
import { causalLMScorer } from "@sdmprune/evaluation/causal-lm";
import { loadTokenizer } from "@sdmprune/model-io";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { selectBackend, tensorPlugin } from "@sdmprune/tensor";
import { generateStories, generateText } from "./corpus.js";
import { demoTokenizer } from "./demo-tokenizer.js";
import { initialWeights } from "./initial-weights.js";
import { trainTrigram, trigramPerplexity } from "./ngram.js";
import { BOS_ID } from "./tokenizer.js";
import * as settings from "./settings.js";
import { createTrainer } from "./trainer.js";
import { encodeStories, packWindows } from "./training-windows.js";
import { writeDemoFolder } from "./write-demo-folder.js";

const LOG_EVERY = 50;
const EVALUATE_EVERY = 500;

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "packages/cli/demo-model") },
    work: { type: "string", default: join(root, "node_modules/.cache/demo-model") },
    steps: { type: "string", default: String(settings.TRAINING.numSteps) },
    threads: { type: "string", default: "2" },
  },
});
const training = { ...settings.TRAINING, numSteps: Number(options.steps) };
const { CONTEXT, SEED } = settings;
await mkdir(options.work, { recursive: true });
const logFile = join(options.work, "training-log.jsonl");
const stateFile = join(options.work, "state.safetensors");

// Text and tokens.
const heldoutText = generateText({ seed: SEED, split: "heldout" }, settings.HELDOUT_BYTES);
const calibrationText = generateText({ seed: SEED, split: "calibration" }, settings.CALIBRATION_BYTES);
const tokenizerFiles = demoTokenizer();
const tokenizer = loadTokenizer(tokenizerFiles.tokenizer, tokenizerFiles.config);
const heldout = tokenizer.encode(heldoutText, { addSpecialTokens: false });
const numWindows = training.numSteps * training.batch;
const stories = encodeStories(
  tokenizer,
  generateStories({ seed: SEED, split: "training" }),
  numWindows * CONTEXT,
);
const windows = packWindows(stories, { numWindows, length: CONTEXT, seed: SEED });
const trigram = trigramPerplexity(trainTrigram(stories.ids, settings.VOCAB_SIZE), heldout);
report({ trainingTokens: windows.length, stories: stories.starts.length - 1, trigramPerplexity: trigram });

// Model.
const host = new Host().use(tensorPlugin).use(onnxBackend);
await selectBackend(host.registries, { name: "onnx", threads: Number(options.threads) });
const config = llamaFamily.parseConfig(settings.MODEL_CONFIG);
const model = await llamaFamily.load(initialWeights(settings.MODEL_CONFIG, SEED), config, {
  residency: "resident",
});
const trainer = await createTrainer(model, training);
const savedState = await readFile(stateFile).catch(() => undefined);
if (savedState) {
  await trainer.restore(savedState);
  report({ resumedAtStep: trainer.step });
}
await writeFile(logFile, await logUntil(trainer.step));

// Training.
let started = performance.now();
let losses: number[] = [];
while (trainer.step < training.numSteps) {
  const begin = trainer.step * training.batch * CONTEXT;
  losses.push(
    await trainer.update(Int32Array.from(windows.subarray(begin, begin + training.batch * CONTEXT))),
  );
  const isLast = trainer.step === training.numSteps;
  const isEvaluation = isLast || trainer.step % EVALUATE_EVERY === 0;
  if (!isEvaluation && trainer.step % LOG_EVERY !== 0) {
    continue;
  }
  const seconds = (performance.now() - started) / 1000;
  const line = {
    step: trainer.step,
    tokens: trainer.step * training.batch * CONTEXT,
    loss: round(losses.reduce((a, b) => a + b, 0) / losses.length),
    tokensPerSecond: Math.round((losses.length * training.batch * CONTEXT) / seconds),
    ...(isEvaluation && { heldoutLoss: round(Math.log(await heldoutPerplexity(model))) }),
  };
  await appendFile(logFile, `${JSON.stringify(line)}\n`);
  report(line);
  if (isEvaluation) {
    await writeFileAtomic(stateFile, await trainer.save());
  }
  losses = [];
  started = performance.now();
}

// Folder.
await writeDemoFolder(options.out, {
  model,
  tokenizerFiles,
  calibrationText,
  heldoutText,
  trainingLog: await readFile(logFile, "utf8"),
  trigramPerplexity: trigram,
  heldoutPerplexity,
  license: await readFile(join(root, "LICENSE"), "utf8"),
  training,
});
report({ written: options.out });
trainer.dispose();
model.dispose();

/** As the demo measures it: windows of the model's context, BOS in front of each. */
async function heldoutPerplexity(subject: CausalLM): Promise<number> {
  const result = await perplexity(causalLMScorer(subject), heldout, {
    window: CONTEXT,
    bos: "each",
    bosTokenId: BOS_ID,
  });
  return result.perplexity;
}

/** The lines of an earlier run up to the step it is resumed at. */
async function logUntil(step: number): Promise<string> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  const lines = text
    .split("\n")
    .filter((line) => line !== "" && (JSON.parse(line) as { step: number }).step <= step);
  return lines.map((line) => `${line}\n`).join("");
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function report(facts: object): void {
  process.stderr.write(`${JSON.stringify(facts)}\n`);
}

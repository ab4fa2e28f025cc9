import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "@sdmprune/core";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { defined } from "../defined.js";
import { mergeAdapter } from "../merge.js";
import { train } from "../train.js";
import { contentKey, type CellRecord } from "./cell-store.js";
import type { Subject } from "./cells.js";
import { modelFolder, type ComparisonContext } from "./comparison-context.js";
import { prunedFolder, pruneRecord } from "./subject-models.js";

/** What is kept of a recovery training. */
export interface RecoverValue {
  /** SHA-256 of the recovered checkpoint, adapters merged. */
  readonly modelSha256: string;
  readonly mode: "lora" | "full";
  readonly steps: number;
  /** Tokens run through the model. */
  readonly tokens: number;
  readonly trainedParameters: number;
  /** Of the last step, and of the held-out examples after it. */
  readonly loss: number | undefined;
  readonly evalLoss: number | undefined;
}

/** Everything that a recovered model depends on; undefined while its pruned model is not there. */
export async function recoverInputs(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<Record<string, unknown> | undefined> {
  const {
    name: _name,
    methods: _methods,
    ratios: _ratios,
    seeds: _seeds,
    data,
    ...settings
  } = subject.recovery!;
  const base = await baseSha256(context, run, subject);
  if (base === undefined) return undefined;
  const files = [data].flat().map(async (file) => (file.startsWith("hub:") ? file : context.fileHash(file)));
  return {
    model_sha256: base,
    ...settings,
    ...(settings.distil && { teacher: await (await context.model(run)).checkpoint.hash() }),
    data: await Promise.all(files),
    seed: run.seed,
  };
}

export async function recoverRecord(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<CellRecord<RecoverValue> | undefined> {
  const inputs = await recoverInputs(context, run, subject);
  return inputs && context.store.get("recover", contentKey(inputs));
}

/** Trains the model of a subject as it was before its recovery; a training that was interrupted goes on. */
export async function runRecoverCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<RecoverValue> {
  const key = await recoverKey(context, run, subject);
  const {
    name: _name,
    methods: _methods,
    ratios: _ratios,
    seeds: _seeds,
    distil,
    ...settings
  } = subject.recovery!;
  const training = `${modelFolder(context, key)}.training`;
  const { memory, model } = context.experiment;
  const { mode, steps, tokens, trainedParameters, metrics } = await train(run, {
    ...context.engine,
    ...defined({ ...settings, memory, lora: settings.lora && defined(settings.lora) }),
    ...(distil && { teacher: model }),
    model: await baseFolder(context, run, subject),
    output: training,
    resume: true,
  });
  const kept = keptFolder(context, key, mode);
  if (mode === "lora") {
    // The adapter is small and stays, so that the merged model can be made again.
    const part = `${kept}.part`;
    await rm(part, { recursive: true, force: true });
    await mkdir(part, { recursive: true });
    for (const name of ADAPTER_FILES) await cp(join(training, name), join(part, name));
    await rm(kept, { recursive: true, force: true });
    await rename(part, kept);
  } else {
    await rm(kept, { recursive: true, force: true });
    await mkdir(join(context.output, "models"), { recursive: true });
    await rename(training, kept);
  }
  await rm(training, { recursive: true, force: true });
  const folder = await writeRecovered(context, run, subject, key);
  const modelSha256 = await (await openCheckpoint(folder)).hash();
  const { loss, evalLoss } = metrics ?? {};
  return { modelSha256, mode, steps, tokens, trainedParameters, loss, evalLoss };
}

/** Folder of a recovered model; merged again if it is not there any more. */
export async function recoveredFolder(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<string> {
  return writeRecovered(context, run, subject, await recoverKey(context, run, subject));
}

/** Deletes the merged model. One whose every parameter was trained stays: nothing else holds what it learnt. */
export async function dropRecovered(context: ComparisonContext, run: Run, subject: Subject): Promise<void> {
  const key = await recoverKey(context, run, subject);
  if (existsSync(keptFolder(context, key, "lora"))) {
    await rm(modelFolder(context, key), { recursive: true, force: true });
  }
}

const ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors", "metrics.jsonl"];

function keptFolder(context: ComparisonContext, key: string, mode: "lora" | "full"): string {
  return mode === "lora" ? context.store.path("recover", key, "adapter") : modelFolder(context, key);
}

async function writeRecovered(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
  key: string,
): Promise<string> {
  const folder = modelFolder(context, key);
  if (existsSync(join(folder, "config.json"))) return folder;
  const adapter = keptFolder(context, key, "lora");
  if (!existsSync(adapter)) {
    // A whole model that somebody deleted.
    await runRecoverCell(context, run, subject);
    return folder;
  }
  await mkdir(join(context.output, "models"), { recursive: true });
  const model = await baseFolder(context, run, subject);
  await mergeAdapter(run, { ...context.engine, model, adapter, output: folder, force: true });
  return folder;
}

async function recoverKey(context: ComparisonContext, run: Run, subject: Subject): Promise<string> {
  return contentKey(await recoverInputs(context, run, subject));
}

async function baseSha256(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<string | undefined> {
  if (!subject.variant) return (await context.model(run)).checkpoint.hash();
  return (await pruneRecord(context, run, subject))?.value.modelSha256;
}

async function baseFolder(context: ComparisonContext, run: Run, subject: Subject): Promise<string> {
  return subject.variant ? prunedFolder(context, run, subject) : (await context.model(run)).checkpoint.dir;
}

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Host, ProgressListener, Run } from "@sdmprune/core";
import {
  generateText,
  inspect,
  measurePerplexity,
  prune,
  train,
  type CheckpointInspection,
  type EngineRequest,
  type PerplexityReport,
} from "@sdmprune/recipes";

export interface DemoRequest {
  /** Folder for the pruned models. */
  readonly output: string;
  readonly seeds: readonly number[];
  /** Calibration windows per seed. */
  readonly nsamples: number;
  /** Tokens that each of the two recovery trainings runs on; 0 leaves them out. */
  readonly recoveryTokens: number;
  readonly engine: EngineRequest;
  readonly progress: ProgressListener;
  readonly signal: AbortSignal;
}

export interface DemoRow {
  readonly method: string;
  /** Part of all parameters that was to be removed; 0 for the dense model. */
  readonly ratio: number;
  /** Mean over the seeds. */
  readonly perplexity: number;
  /** One per seed. */
  readonly perplexities: readonly number[];
  readonly parameters: number;
  /** Size of the weights' file. */
  readonly bytes: number;
}

export interface RecoveryRow {
  readonly model: string;
  /** On the held-out text. */
  readonly perplexity: number;
  /** Tokens it was trained on. */
  readonly trainingTokens: number;
}

export interface DemoReport {
  readonly rows: readonly DemoRow[];
  readonly seeds: readonly number[];
  readonly nsamples: number;
  /** Tokens that perplexity is the mean over. */
  readonly tokens: number;
  /** What LoRA training makes of the pruned and, for comparison, of the dense model. */
  readonly recovery: readonly RecoveryRow[];
  readonly expectations: readonly { readonly text: string; readonly holds: boolean }[];
  readonly samples: readonly { readonly label: string; readonly text: string }[];
}

const METHODS = ["sdmprune", "taylor", "wanda", "magnitude", "random"];
const RATIOS = [0.2, 0.3, 0.4];
const WINDOW = 256;
/** Method and ratio whose loss is trained back. */
const RECOVERED = "sdmprune-30";
/** Fine enough for the demo model's narrow MLPs. */
const ROUND_TO = 16;
/** The dense model knows where this person of its stories lives, and what she does there. */
const PROMPT = "Sonia lived in";
const SAMPLE_TOKENS = 50;

/** A file of the embedded demo model; the folder itself for an empty name. */
export function demoFile(name: string): string {
  return fileURLToPath(new URL(name === "" ? "../demo-model" : `../demo-model/${name}`, import.meta.url));
}

/**
 * Prunes the embedded model by every method, ratio and seed and measures each result on held-out text. A method
 * scores once per seed; its ratios are pruned from that score file.
 */
export async function runDemo(host: Host, request: DemoRequest): Promise<DemoReport> {
  const measured = new Map<
    string,
    { method: string; ratio: number; perplexities: number[]; folder: string }
  >();
  let dense: PerplexityReport | undefined;
  for (const seed of request.seeds) {
    const run = host.createRun({ progress: request.progress, signal: request.signal, seed });
    try {
      dense ??= await heldOutPerplexity(run, demoFile(""), request);
      for (const method of METHODS) {
        let scores: string | undefined;
        for (const ratio of RATIOS) {
          const name = `${method}-${Math.round(100 * ratio)}`;
          const isShown = seed === request.seeds[0];
          const folder = isShown
            ? join(request.output, name)
            : join(request.output, "work", `${seed}-${name}`);
          await pruneOne(run, request, { method, ratio, folder, scores });
          scores ??= join(folder, "pruning", "scores.safetensors");
          const { perplexity } = await heldOutPerplexity(run, folder, request);
          const row = measured.get(name) ?? { method, ratio, perplexities: [], folder };
          row.perplexities.push(perplexity);
          measured.set(name, row);
          request.progress({
            type: "info",
            message: `seed ${seed}: ${name}: perplexity ${perplexity.toFixed(2)}`,
          });
        }
      }
    } finally {
      await run.dispose();
    }
  }
  const all = [
    { method: "dense", ratio: 0, perplexities: [dense!.perplexity], folder: demoFile("") },
    ...measured.values(),
  ];
  const last = host.createRun({ signal: request.signal });
  try {
    const rows = await Promise.all(all.map((row) => toRow(last, row)));
    const samples = await sampleTexts(last, request, [
      ["dense", demoFile("")],
      ["sdmprune, 30 % removed", join(request.output, "sdmprune-30")],
      ["random, 30 % removed", join(request.output, "random-30")],
    ]);
    const recovery = request.recoveryTokens > 0 ? await recoverModels(last, request, rows) : [];
    const expectations = [...checkExpectations(rows), ...checkRecovery(recovery)];
    const { seeds, nsamples } = request;
    return { rows, seeds, nsamples, tokens: dense!.tokens, recovery, expectations, samples };
  } finally {
    await last.dispose();
  }
}

async function pruneOne(
  run: Run,
  { nsamples, engine }: DemoRequest,
  {
    method,
    ratio,
    folder,
    scores,
  }: { method: string; ratio: number; folder: string; scores: string | undefined },
): Promise<void> {
  const how =
    scores === undefined
      ? {
          calibration: {
            source: demoFile("calibration.txt"),
            nsamples,
            seqlen: WINDOW,
            sampler: "packed" as const,
          },
        }
      : { scores };
  await prune(run, {
    model: demoFile(""),
    output: folder,
    method,
    pruningRatio: ratio,
    roundTo: ROUND_TO,
    force: true,
    ...how,
    ...engine,
  });
}

/** Trains the same LoRA on the pruned and on the dense model and measures both. */
async function recoverModels(
  run: Run,
  request: DemoRequest,
  rows: readonly DemoRow[],
): Promise<RecoveryRow[]> {
  const pruned = join(request.output, RECOVERED);
  const recovered = async (label: string, model: string, folder: string): Promise<RecoveryRow> => {
    const output = join(request.output, folder);
    const { tokens: trainingTokens } = await train(run, {
      ...{ model, output, data: demoFile("calibration.txt"), force: true, ...request.engine },
      ...{
        maxLength: WINDOW,
        batchSize: 4,
        gradientAccumulation: 1,
        epochs: 4,
        maxTokens: request.recoveryTokens,
      },
      ...{ learningRate: 3e-3, weightDecay: 0, lora: { loraDropout: 0 }, heldOut: 0 },
    });
    const { perplexity } = await heldOutPerplexity(run, model, request, output);
    return { model: label, perplexity, trainingTokens };
  };
  const [dense, before] = [rows[0]!, rows.find((row) => row.method === "sdmprune" && row.ratio === 0.3)!];
  return [
    { model: "dense", perplexity: dense.perplexity, trainingTokens: 0 },
    await recovered("dense + LoRA", demoFile(""), "dense-lora"),
    { model: "sdmprune, 30 % removed", perplexity: before.perplexities[0]!, trainingTokens: 0 },
    await recovered("sdmprune, 30 % removed + LoRA", pruned, `${RECOVERED}-lora`),
  ];
}

function checkRecovery(recovery: readonly RecoveryRow[]): DemoReport["expectations"] {
  const [dense, , before, after] = recovery;
  if (!dense || !before || !after) return [];
  const part = (before.perplexity - after.perplexity) / (before.perplexity - dense.perplexity);
  const text = `LoRA wins back ${Math.round(100 * part)} % of the perplexity that sdmprune lost at 30 % (at least 50 %)`;
  return [{ text, holds: part >= 0.5 }];
}

function heldOutPerplexity(
  run: Run,
  model: string,
  { engine }: DemoRequest,
  adapter?: string,
): Promise<PerplexityReport> {
  const text = demoFile("heldout.txt");
  return measurePerplexity(run, { model, text, window: WINDOW, ...(adapter && { adapter }), ...engine });
}

async function toRow(
  run: Run,
  {
    method,
    ratio,
    perplexities,
    folder,
  }: { method: string; ratio: number; perplexities: number[]; folder: string },
): Promise<DemoRow> {
  const { parameters } = (await inspect(run, folder)) as CheckpointInspection;
  const { size: bytes } = await stat(join(folder, "model.safetensors"));
  const perplexity = perplexities.reduce((a, b) => a + b, 0) / perplexities.length;
  return { method, ratio, perplexity, perplexities, parameters: parameters.total, bytes };
}

/** What the paper leads one to expect at 30 %, held against the table as it fell. */
function checkExpectations(rows: readonly DemoRow[]): DemoReport["expectations"] {
  const at = (method: string): number =>
    rows.find((row) => row.method === method && row.ratio === 0.3)!.perplexity;
  const dense = rows[0]!.perplexity;
  const ratioText = (a: string, b: string): string =>
    `${a} has ${(at(a) / at(b)).toFixed(2)} of ${b}'s perplexity at 30 %`;
  return [
    ...["sdmprune", "taylor"].flatMap((method) => [
      {
        text: `${ratioText(method, "magnitude")} (at most 0.85)`,
        holds: at(method) <= 0.85 * at("magnitude"),
      },
      { text: `${ratioText(method, "random")} (below 1)`, holds: at(method) < at("random") },
    ]),
    {
      text: `random at 30 % has ${(at("random") / dense).toFixed(2)} times the dense perplexity (at least 1.5)`,
      holds: at("random") >= 1.5 * dense,
    },
  ];
}

async function sampleTexts(
  run: Run,
  { engine }: DemoRequest,
  models: readonly (readonly [label: string, folder: string])[],
): Promise<{ label: string; text: string }[]> {
  const samples: { label: string; text: string }[] = [];
  for (const [label, model] of models) {
    const { text } = await generateText(run, { model, prompt: PROMPT, maxTokens: SAMPLE_TOKENS, ...engine });
    samples.push({ label, text: PROMPT + text });
  }
  return samples;
}

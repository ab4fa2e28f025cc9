import { existsSync } from "node:fs";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "@sdmprune/core";
import { encodeScoreFile } from "@sdmprune/importance/score-file";
import { openCheckpoint, writeFileAtomic } from "@sdmprune/model-io/node";
import { planWidths, type PruningPlan } from "@sdmprune/pruning";
import { prune } from "../prune.js";
import { defined } from "../defined.js";
import { snakeKeys } from "../snake-keys.js";
import { contentKey, type CellRecord } from "./cell-store.js";
import type { Subject, Variant } from "./cells.js";
import { modelFolder, type ComparisonContext } from "./comparison-context.js";
import { replayVariant } from "./score-cell.js";

/** What is kept of a pruned model. */
export interface PruneValue {
  /** SHA-256 of the checkpoint: what all that is measured of it depends on. */
  readonly modelSha256: string;
  readonly intermediateSizes: readonly number[];
  readonly widths: readonly number[];
  /** Indices of the neurons that stay, per layer. */
  readonly kept: readonly (readonly number[])[];
  readonly parameters: PruningPlan["parameters"];
  /** Size of the weights' files. */
  readonly bytes: number;
  /** Keys of the scores it was pruned by, in order of the stages; none if the method ran by itself. */
  readonly scores: readonly string[];
}

function compensates({ compensate }: Variant): boolean {
  return (compensate.compensate ?? "none") !== "none";
}

/** Everything that a pruned model depends on. */
export async function pruneInputs(
  context: ComparisonContext,
  run: Run,
  { variant, ratio }: Subject,
): Promise<Record<string, unknown>> {
  const { method, options, version } = await context.method(run, variant!);
  const model = await context.model(run);
  const { calibration, allocation, compensate } = variant!;
  const tokens =
    method.needsCalibration || compensates(variant!)
      ? (await context.samples(run, calibration, `method "${variant!.method}"`)).provenance.tokensSha256
      : undefined;
  return {
    model_sha256: await model.checkpoint.hash(),
    method: variant!.method,
    options,
    ratio,
    ratio_of: context.experiment.ratioOf ?? "total",
    round_to: context.roundTo(variant!),
    allocation: allocation ?? "uniform",
    ...compensate,
    seed: run.seed,
    calibration_tokens_sha256: tokens,
    version,
  };
}

export async function pruneRecord(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<CellRecord<PruneValue> | undefined> {
  return context.store.get("prune", contentKey(await pruneInputs(context, run, subject)));
}

/** Folder of a pruned model; written first if it is not there (any more). */
export async function prunedFolder(context: ComparisonContext, run: Run, subject: Subject): Promise<string> {
  const folder = modelFolder(context, contentKey(await pruneInputs(context, run, subject)));
  if (!existsSync(join(folder, "config.json"))) await writePrunedModel(context, run, subject, folder);
  return folder;
}

/** Deletes a pruned model that can be made again from scores; a method's own run is not repeated for one cell more. */
export async function dropPruned(context: ComparisonContext, run: Run, subject: Subject): Promise<void> {
  const key = contentKey(await pruneInputs(context, run, subject));
  const record = await context.store.get<PruneValue>("prune", key);
  if (record?.value.scores.length === 0) return;
  await rm(modelFolder(context, key), { recursive: true, force: true });
}

/** Prunes from the scores of the seed if they are all the method needs, else by a run of its own. */
export async function runPruneCell(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<PruneValue> {
  const key = contentKey(await pruneInputs(context, run, subject));
  const folder = modelFolder(context, key);
  const { plan, scores } = await writePrunedModel(context, run, subject, folder);
  // The scores of a method that ran by itself are in its folder only, which does not stay.
  const ownScores = join(folder, "pruning/scores.safetensors");
  if (scores.length === 0 && existsSync(ownScores)) {
    await writeFileAtomic(context.store.path("prune", key, "safetensors"), await readFile(ownScores));
  }
  const checkpoint = await openCheckpoint(folder);
  const sizes = await Promise.all(checkpoint.weightFiles.map((name) => stat(join(folder, name))));
  return {
    modelSha256: await checkpoint.hash(),
    intermediateSizes: plan.layers.map((layer) => layer.intermediateSize),
    widths: planWidths(plan),
    kept: plan.layers.map((layer) => layer.kept),
    parameters: plan.parameters,
    bytes: sizes.reduce((sum, { size }) => sum + size, 0),
    scores,
  };
}

async function writePrunedModel(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
  folder: string,
): Promise<{ plan: PruningPlan; scores: readonly string[] }> {
  const { variant, ratio } = subject as Required<Pick<Subject, "variant" | "ratio">>;
  const { experiment, engine } = context;
  const { options } = await context.method(run, variant);
  const { calibration } = variant;
  const replay = await replayVariant(context, run, { variant, ratio, calibration });
  await mkdir(join(context.output, "models"), { recursive: true });
  const request = {
    ...engine,
    model: experiment.model,
    output: folder,
    force: true,
    method: variant.method,
    methodOptions: variant.options,
    pruningRatio: ratio,
    ...(experiment.ratioOf && { ratioOf: experiment.ratioOf }),
    roundTo: context.roundTo(variant),
    ...variant.compensate,
    ...(calibration && { calibration: defined(calibration) }),
    ...(variant.allocation !== undefined && { allocation: variant.allocation }),
    ...(experiment.memory !== undefined && { memory: experiment.memory }),
  };
  if (replay.state !== "whole") {
    const { plan } = await prune(run, { ...request, resume: true });
    return { plan, scores: [] };
  }
  const { method } = await context.method(run, variant);
  const model = await context.model(run);
  const samples = method.needsCalibration
    ? (await context.samples(run, calibration, `method "${variant.method}"`)).provenance
    : undefined;
  const manifest = {
    model_sha256: await model.checkpoint.hash(),
    method: variant.method,
    method_options: options,
    seed: run.seed,
    calibration: samples && snakeKeys(samples),
    stages: replay.calls,
  };
  const scoreFile = `${folder}.scores.safetensors`;
  const encoded = await encodeScoreFile({
    importances: new Map(),
    stages: replay.stages,
    manifest: JSON.parse(JSON.stringify(manifest)) as never,
  });
  await writeFileAtomic(scoreFile, encoded);
  try {
    const { plan } = await prune(run, { ...request, scores: scoreFile });
    return { plan, scores: replay.keys };
  } finally {
    await rm(scoreFile, { force: true });
  }
}

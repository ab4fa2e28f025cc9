import { readFile, stat } from "node:fs/promises";
import { NotFoundError, type Run } from "@sdmprune/core";
import { readScoreFile } from "@sdmprune/importance/score-file";
import type { JsonValue } from "@sdmprune/model-io";
import { FileByteSource } from "@sdmprune/model-io/node";
import { countParameters, parsePlan, type ParameterCounts, type PruningPlan } from "@sdmprune/pruning";
import { checkCompatibility, type Compatibility } from "./compatibility.js";
import { openModel } from "./open-model.js";

export type Inspection = CheckpointInspection | ScoresInspection | PlanInspection;

export interface CheckpointInspection {
  readonly kind: "checkpoint";
  readonly path: string;
  readonly modelType: string;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
  readonly intermediateSizes: readonly number[];
  readonly parameters: ParameterCounts;
  /** Bytes of weights by dtype. */
  readonly dtypes: Readonly<Record<string, number>>;
  readonly compatibility: readonly Compatibility[];
}

export interface ScoresInspection {
  readonly kind: "scores";
  readonly path: string;
  readonly series: readonly SeriesInspection[];
  readonly manifest: Readonly<Record<string, JsonValue>>;
}

export interface SeriesInspection {
  readonly name: string;
  readonly layers: readonly {
    readonly size: number;
    readonly min: number;
    readonly mean: number;
    readonly max: number;
  }[];
}

export interface PlanInspection {
  readonly kind: "plan";
  readonly path: string;
  readonly plan: PruningPlan;
}

/** Tells what a checkpoint, a score file or a pruning plan holds. Runs no model. */
export async function inspect(run: Run, path: string): Promise<Inspection> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return path.endsWith(".json") ? inspectPlan(path) : inspectScores(path);
  if (!info && /\.(json|safetensors)$/.test(path)) {
    throw new NotFoundError(`inspect: there is no file "${path}".`);
  }
  return inspectCheckpoint(run, path);
}

async function inspectCheckpoint(run: Run, path: string): Promise<CheckpointInspection> {
  const { checkpoint, config, shape, family } = await openModel(run, path);
  const dtypes: Record<string, number> = {};
  for (const { name } of family.expectedTensors(config)) {
    const { dtype, byteLength } = checkpoint.info(name);
    dtypes[dtype] = (dtypes[dtype] ?? 0) + byteLength;
  }
  const {
    modelType,
    numLayers,
    hiddenSize,
    vocabSize,
    maxPositionEmbeddings,
    tieWordEmbeddings,
    intermediateSizes,
  } = config;
  return {
    kind: "checkpoint",
    path,
    modelType,
    numLayers,
    hiddenSize,
    vocabSize,
    maxPositionEmbeddings,
    tieWordEmbeddings,
    intermediateSizes,
    parameters: countParameters(shape),
    dtypes,
    compatibility: checkCompatibility(intermediateSizes),
  };
}

async function inspectScores(path: string): Promise<ScoresInspection> {
  const { importances, stages, manifest } = await readScoreFile(await FileByteSource.open(path), path);
  const series = [
    ...importances,
    ...stages.map(({ importance, scores }, i) => [`stage${i + 1}/${importance}`, scores] as const),
  ];
  return {
    kind: "scores",
    path,
    series: series.map(([name, layers]) => ({
      name,
      layers: layers.map((score) => ({
        size: score.length,
        min: score.reduce((a, b) => Math.min(a, b), Infinity),
        mean: score.reduce((a, b) => a + b, 0) / score.length,
        max: score.reduce((a, b) => Math.max(a, b), -Infinity),
      })),
    })),
    manifest,
  };
}

async function inspectPlan(path: string): Promise<PlanInspection> {
  return { kind: "plan", path, plan: parsePlan(await readFile(path, "utf8"), path) };
}

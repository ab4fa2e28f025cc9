import { readFileSync } from "node:fs";
import { join } from "node:path";
import { silentProgress } from "@sdmprune/core";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import {
  calibrationSweep,
  type ImportanceCriterion,
  type SweepRequest,
  type SweepSample,
} from "../src/index.js";

type Layers = readonly (readonly number[])[];
type Reference = "taylor" | "selfDistillation" | "entropy" | "magnitude" | "wanda" | "wandaPropagated";

/** Made by tools/reference/tiny_llama_scores.py with PyTorch in float64; the file names versions and seed. */
export interface ScoreFixture {
  readonly width: number;
  readonly alpha: number;
  readonly tau: number;
  readonly sequences: Layers;
  readonly scores: Readonly<Record<Reference, Layers>>;
  readonly kept: Readonly<Record<Reference, Layers>>;
  readonly sdmprune: {
    readonly firstStageWidth: number;
    readonly stage1: { readonly scores: Layers; readonly kept: Layers };
    readonly stage2: { readonly scores: Layers; readonly kept: Layers };
  };
}

const packages = join(import.meta.dirname, "../..");

export type FixtureName = "tiny-llama" | "tiny-llama-tied";

export function readFixture(name: FixtureName): ScoreFixture {
  return JSON.parse(
    readFileSync(join(import.meta.dirname, `fixtures/${name}-scores.json`), "utf8"),
  ) as ScoreFixture;
}

/** The model of a fixture, or a student of it with these neurons. The caller disposes it. */
export async function loadModel(name: FixtureName, view?: readonly Int32Array[]): Promise<CausalLM> {
  const checkpoint = await openCheckpoint(join(packages, "test-utils/fixtures", name));
  return llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config), view && { view });
}

/** The sequences of a fixture as calibration samples. */
export function samplesOf({ sequences }: Pick<ScoreFixture, "sequences">): SweepSample[] {
  return sequences.map((ids, i) => ({ ids: Int32Array.from(ids), document: `sequence-${i}`, offset: 0 }));
}

/** A sweep that reports to nobody. */
export async function sweep(
  student: CausalLM,
  samples: readonly SweepSample[],
  criteria: Readonly<Record<string, ImportanceCriterion>>,
  more: Partial<SweepRequest> = {},
): Promise<Map<string, readonly Float64Array[]>> {
  const request = { student, samples, criteria: new Map(Object.entries(criteria)), progress: silentProgress };
  return new Map(await calibrationSweep({ ...request, ...more }));
}

/** Indices of the highest scores, ascending; of equal ones the lower index. Written apart from the package that does it. */
export function keepBest(scores: readonly Float64Array[], width: number): number[][] {
  return scores.map((score) =>
    [...score.keys()]
      .sort((a, b) => score[b]! - score[a]! || a - b)
      .slice(0, width)
      .sort((a, b) => a - b),
  );
}

/** Largest difference between scores and their reference, relative to the reference. */
export function relativeError(scores: readonly Float64Array[], expected: Layers): number {
  const errors = expected.flatMap((layer, l) =>
    layer.map((value, n) => Math.abs((scores[l]?.[n] ?? NaN) - value) / Math.abs(value)),
  );
  return errors.some(Number.isNaN) ? NaN : Math.max(...errors);
}

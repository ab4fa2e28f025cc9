import { UsageError } from "@sdmprune/core";

/** Settings a preset fills in where the caller says nothing. */
export interface Preset {
  readonly description: string;
  readonly method: "sdmprune";
  readonly pruningRatio: number;
  readonly ratioOf: "total";
  readonly alpha: number;
  readonly tau: number;
  readonly nsamples: number;
  readonly seqlen: number;
  readonly sampler: "long-documents";
}

const paper = (pruningRatio: number, alpha: number, tau: number): Preset => ({
  description: `The published settings for ${100 * pruningRatio} % of all parameters.`,
  method: "sdmprune",
  pruningRatio,
  ratioOf: "total",
  alpha,
  tau,
  nsamples: 1024,
  seqlen: 1024,
  sampler: "long-documents",
});

/** The hyper-parameters published with SDMPrune, one set per ratio. */
export const PRESETS: Readonly<Record<string, Preset>> = {
  "paper-20": paper(0.2, 0.4, 0.2),
  "paper-30": paper(0.3, 0.42, 0.5),
  "paper-40": paper(0.4, 0.1, 0.2),
};

/** @throws {UsageError} If there is no such preset. */
export function findPreset(name: string): Preset {
  const preset = PRESETS[name];
  if (!preset) {
    throw new UsageError(`preset: expected one of ${Object.keys(PRESETS).join(", ")}, got "${name}".`);
  }
  return preset;
}

import { z } from "zod";

export const importanceOptions = z.strictObject({
  r: z.int().min(1).default(8).describe("Rank of the random adapters that the gradient is seen through."),
  seed: z.int().min(0).default(0).describe("Seed of the adapters."),
});

export type ImportanceOptions = z.output<typeof importanceOptions>;

export const methodOptions = z.strictObject({
  steps: z
    .int()
    .min(0)
    .default(128)
    .describe("Optimiser steps; the schedule of the masks spans them. 0: no training, the criterion alone."),
  batchSize: z.int().min(1).default(1).describe("Calibration windows per step."),
  lr: z.number().positive().default(1e-4).describe("Learning rate of the adapters, constant."),
  r: z.int().min(1).default(8).describe("Rank of the adapters."),
  loraAlpha: z
    .number()
    .positive()
    .default(16)
    .describe("Scale of the adapters: their change is times loraAlpha / r."),
  maxGradNorm: z.number().positive().default(1).describe("Longest gradient of all adapters together."),
  ema: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe("Share of the past in the running mean of the salience."),
  pruneFreq: z.int().min(1).default(10).describe("Steps from one growth of the masks to the next."),
  skipLayers: z
    .array(z.int().min(0))
    .default([])
    .describe("Layers that stay whole; the others make up for them, with one width of their own."),
  merge: z
    .boolean()
    .default(true)
    .describe(
      "Merge the trained adapters into the weights. Without, the original weights of the kept neurons stay.",
    ),
});

export type MethodOptions = z.output<typeof methodOptions>;

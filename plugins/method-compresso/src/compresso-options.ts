import { z } from "zod";

export const methodOptions = z.strictObject({
  steps: z.int().min(2).default(256).describe("Optimiser steps in all."),
  batchSize: z.int().min(1).default(1).describe("Calibration windows per step; each has masks of its own."),
  fineTuneShare: z
    .number()
    .min(0)
    .lt(1)
    .default(0.125)
    .describe("Share of the steps that trains the adapters alone, before masks come in."),
  warmUpShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of the steps over which the target sparsity rises linearly, once masks are in."),
  lr: z.number().positive().default(5e-5).describe("Learning rate of the adapters, constant."),
  maskLr: z.number().positive().default(0.1).describe("Learning rate of log_alpha."),
  lagrangianLr: z
    .number()
    .positive()
    .default(0.03)
    .describe("Learning rate of the two multipliers, which climb."),
  r: z.int().min(1).default(8).describe("Rank of the adapters, on q_proj and v_proj."),
  loraAlpha: z
    .number()
    .positive()
    .default(8)
    .describe("Scale of the adapters: their change is times loraAlpha / r."),
  maxGradNorm: z.number().positive().default(1).describe("Longest gradient of all adapters together."),
  constraint: z
    .enum(["layer", "model"])
    .default("layer")
    .describe(
      "Whether every layer is held at the target sparsity, or the model as a whole, as in the paper.",
    ),
  merge: z
    .boolean()
    .default(true)
    .describe("Merge the trained adapters into q_proj and v_proj. The soft masks are folded in either way."),
});

export type MethodOptions = z.output<typeof methodOptions>;

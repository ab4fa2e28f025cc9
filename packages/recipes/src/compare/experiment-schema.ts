import { SCHEDULES } from "@sdmprune/lora";
import { z } from "zod";

const text = z.string().min(1);
const count = z.int().min(1);
const ratio = z.number().gt(0).lt(1);
const seed = z.int().min(0);
const ratios = z.array(ratio).min(1);

const calibration = z.strictObject({
  source: text.describe("Calibration text: a file or a hub data set."),
  nsamples: count.optional(),
  seqlen: z.int().min(2).optional(),
  sampler: z.enum(["long-documents", "packed"]).optional(),
  bos: z.enum(["auto", "always", "never"]).optional(),
  textKey: text.optional(),
});

const method = z.strictObject({
  name: text.describe("A registered method or importance."),
  label: text.optional().describe("What the tables call it. Default: its name."),
  options: z.record(z.string(), z.unknown()).optional(),
  ratios: ratios.optional().describe("Default: those of the experiment."),
  allocation: text.optional(),
  compensate: z
    .enum(["none", "ridge", "bias"])
    .optional()
    .describe("What is done about the neurons that are gone."),
  compensateLambda: z.number().gt(0).optional(),
  roundTo: count.optional(),
  calibration: calibration.partial().optional().describe("What differs from the experiment's calibration."),
});

const perplexity = z.strictObject({
  name: text.optional().describe("What the tables call it. Default: the file's name."),
  text,
  preset: text.optional(),
  window: z.int().min(2).optional(),
  stride: count.optional(),
  bos: z.enum(["each", "first", "none"]).optional(),
  maxWindows: count.optional().describe("Only the first so many windows. Default: all."),
});

const tasks = z.strictObject({
  names: z.array(text).min(1),
  limit: count.optional(),
  dataDir: text.optional(),
  version: z.enum(["pinned", "current"]).optional(),
  addBos: z.boolean().optional(),
  ratios: ratios.optional().describe("Default: those of the experiment."),
  seeds: z.array(seed).min(1).optional().describe("Default: those of the experiment."),
});

const layerError = z.strictObject({ text, window: z.int().min(2).optional(), maxWindows: count.optional() });

const latency = z.strictObject({
  promptTokens: count.optional(),
  decodeTokens: count.optional(),
  batch: count.optional(),
  repetitions: count.optional(),
});

const recovery = z.strictObject({
  name: text.describe("What the tables call it."),
  data: z.union([text, z.array(text).min(1)]).describe("Training data, as for sdmprune train."),
  preset: text.optional(),
  mode: z.enum(["lora", "full"]).optional(),
  distil: z.boolean().optional().describe("Learn from the original model. Default: from the data alone."),
  epochs: z.number().gt(0).optional(),
  maxSteps: count.optional(),
  maxTokens: count.optional(),
  maxLength: z.int().min(2).optional(),
  learningRate: z.number().gt(0).optional(),
  weightDecay: z.number().min(0).optional(),
  schedule: z.enum(SCHEDULES).optional(),
  warmupSteps: z.int().min(0).optional(),
  maxGradNorm: z.number().min(0).optional(),
  batchSize: count.optional(),
  gradientAccumulation: count.optional(),
  lora: z
    .strictObject({
      r: count.optional(),
      loraAlpha: z.number().gt(0).optional(),
      loraDropout: z.number().min(0).lt(1).optional(),
      targetModules: z.union([z.literal("all-linear"), z.array(text).min(1)]).optional(),
    })
    .optional(),
  alpha: z.number().min(0).max(1).optional(),
  tau: z.number().gt(0).optional(),
  methods: z
    .array(text)
    .min(1)
    .optional()
    .describe("Labels of the methods to recover, beside the dense model. Default: all."),
  ratios: ratios.optional().describe("Default: those of the experiment."),
  seeds: z.array(seed).min(1).optional().describe("Default: those of the experiment."),
});

/**
 * What an experiment file may say; files spell keys in snake_case. Relative paths start at the file's folder, and
 * `${NAME}` or `${NAME:-default}` in a path stands for an environment variable.
 */
export const experimentSchema = z.strictObject({
  title: text.optional().describe("Heading of the report. Default: the file's name."),
  description: text.optional(),
  model: text.describe("Checkpoint folder, which starts with a dot or a slash, or hub id."),
  methods: z
    .array(z.preprocess((value) => (typeof value === "string" ? { name: value } : value), method))
    .min(1),
  ratios,
  ratioOf: z.enum(["total", "non-embedding", "mlp"]).optional(),
  roundTo: count.optional(),
  allocation: text.optional(),
  seeds: z
    .array(
      z.preprocess(
        (value) => (typeof value === "number" ? { seed: value } : value),
        z.strictObject({ seed, ratios: ratios.optional() }),
      ),
    )
    .min(1)
    .default([{ seed: 0 }])
    .describe("A number, or { seed, ratios } for a seed at some of the ratios only."),
  reference: text
    .optional()
    .describe("Label of the method that others are tested against. Default: the first."),
  calibration: calibration.optional(),
  perplexity: z.array(perplexity).min(1).optional(),
  tasks: tasks.optional(),
  layerError: layerError.optional(),
  latency: latency
    .optional()
    .describe("Speed beside the dense model; models of equal widths are timed once."),
  recovery: z.array(recovery).optional(),
  plugins: z.array(text).optional(),
  backend: text.optional(),
  threads: count.optional(),
  memory: text.optional(),
  keepModels: z.boolean().optional().describe("Keep the pruned folders. Default: false."),
});

export type ExperimentFile = z.output<typeof experimentSchema>;

import { z } from "zod";

const path = z.string().min(1);
const count = z.int().min(1);

/**
 * What `sdmprune.config.ts` and `.yaml` may say: the options of `sdmprune prune`, and the one place that relates
 * their spelling in TypeScript (camelCase, as here) to the one in YAML (snake_case). Everything is optional; a flag
 * on the command line wins over the file, and what neither says is filled in by the recipe with the default named
 * in the description. Relative paths start at the folder in which the command runs, like those of the flags.
 */
export const configSchema = z.strictObject({
  model: path.optional().describe("Checkpoint folder or hub id of the model to prune. No default."),
  output: path.optional().describe("Folder to write the pruned checkpoint to. No default."),
  method: path.optional().describe('Name of the pruning method. Default: "sdmprune".'),
  methodOptions: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Options of the method, checked against its own schema. Default: none."),
  pruningRatio: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe(
      "Part of the parameters to remove, more than 0 and less than 1; not together with a width. Default: 0.2.",
    ),
  ratioOf: z
    .enum(["total", "non-embedding", "mlp"])
    .optional()
    .describe(
      'What the ratio is a part of: all parameters (tied ones once), those outside embeddings, or the MLPs. Default: "total".',
    ),
  width: count
    .optional()
    .describe("Exact intermediate size to keep, not rounded; not together with a ratio. No default."),
  roundTo: count
    .optional()
    .describe(
      "Widths that follow from a ratio are rounded to the nearest multiple of this, ties up. Default: 64.",
    ),
  allocation: path
    .optional()
    .describe('How widths are shared out over the layers: "uniform" or "global". Default: "uniform".'),
  calibration: path
    .optional()
    .describe("Calibration text: a file or a hub data set. Needed by methods that look at data. No default."),
  nsamples: count.optional().describe("Number of calibration samples. Default: 128."),
  seqlen: z
    .int()
    .min(2)
    .optional()
    .describe("Tokens of a calibration sample. Default: 1024, or the model's maximum if that is less."),
  sampler: z
    .enum(["long-documents", "packed"])
    .optional()
    .describe(
      'How windows are drawn from the calibration text. Default: "packed" if few documents are long enough.',
    ),
  textKey: path
    .optional()
    .describe("Key of the text in a row of calibration data. Default: found by its name."),
  alpha: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Share of the distillation loss in self-distillation, 0 to 1. Default: 0.4."),
  tau: z
    .number()
    .gt(0)
    .optional()
    .describe("Temperature of the teacher in self-distillation; less than 1 sharpens it. Default: 0.2."),
  stages: z
    .union([z.literal(1), z.literal(2)])
    .optional()
    .describe(
      "Stages of the method sdmprune; 1 is self-distillation straight from the dense model. Default: 2.",
    ),
  compensate: z
    .enum(["none", "ridge", "bias"])
    .optional()
    .describe(
      'What is done about the neurons that are gone: "ridge" fits the down projection of those that stay to what the whole layer puts out, "bias" adds what the others put out on average. Default: "none".',
    ),
  compensateLambda: z
    .number()
    .gt(0)
    .optional()
    .describe("Regularisation of the ridge, as a part of the mean squared activation. Default: 0.01."),
  preset: path
    .optional()
    .describe('Settings filled in where nothing else is said: "paper-20", …. Default: none.'),
  seed: z.int().min(0).optional().describe("Seed of everything random. Default: 0."),
  scores: path.optional().describe("Score file to prune from, instead of a forward pass. Default: none."),
  plan: path.optional().describe("Pruning plan (JSON) to apply. Default: none."),
  planOnly: z
    .boolean()
    .optional()
    .describe("Stop after printing the plan; write no checkpoint. Default: false."),
  export: z
    .enum(["padded", "heterogeneous"])
    .optional()
    .describe(
      'How layers of unequal widths are written: zero-padded to the widest, or as they are. Default: "padded".',
    ),
  wandaPropagate: z
    .boolean()
    .optional()
    .describe("Wanda only: layers see the outputs of the pruned layers before them. Default: false."),
  backend: path.optional().describe("Tensor backend. Default: the first that can run."),
  threads: count.optional().describe("Threads of the backend. Default: one per core."),
  workers: z
    .union([z.literal("auto"), count])
    .optional()
    .describe(
      'Samples computed at the same time, each on an engine of its own; the threads are divided. Default: "auto", several for small models.',
    ),
  memory: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Memory for the whole process, such as "4GiB"; weights and activations are then held, recomputed, or read block by block as it allows. "auto" goes by what is free. Default: "auto".',
    ),
  plugins: z
    .array(path)
    .optional()
    .describe("Plugins to load: files (./x.ts) or package names. Default: none."),
  force: z.boolean().optional().describe("Replace the output folder if it exists. Default: false."),
  resume: z
    .boolean()
    .optional()
    .describe("Go on with an interrupted run of the same settings. Default: false."),
});

/** A config file's content, in TypeScript's spelling. */
export type Config = z.output<typeof configSchema>;

/** Checks nothing and returns `config`: gives `sdmprune.config.ts` completion and type errors in an editor. */
export function defineConfig(config: Config): Config {
  return config;
}

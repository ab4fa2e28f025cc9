import { ShapeError, UsageError } from "@sdmprune/core";
import { z } from "zod";
import type { KeptNeurons } from "./pruning-plan.js";
import type { PruningMethod, Stage, StageContext, StageResult } from "./pruning-method.js";
import { selectNeurons } from "./select-neurons.js";

/** What the first stage of SDMPrune keeps: 3.9 of 4 times the hidden size in the paper, so 39 of 40 neurons. */
const firstStageWidth = (width: number): number => Math.floor((39 * width) / 40);

const absolute = z
  .enum(["sample", "batch"])
  .default("sample")
  .describe(
    "When magnitudes are taken: of each sample's gradients, or of their mean over all samples, where opposite ones cancel.",
  );

export const taylorMethodOptions = z.strictObject({ absolute });

export const magnitudeMethodOptions = z.strictObject({
  of: z
    .enum(["group", "down", "maw"])
    .default("group")
    .describe(
      "group: norm of all its weights. down: norm of its column of the down projection. maw: largest weight minus the smallest, of gate and of up.",
    ),
});

export const sdmPruneOptions = z.strictObject({
  alpha: z.number().min(0).max(1).default(0.4).describe("Share of the distillation loss in the blend."),
  tau: z.number().positive().default(0.2).describe("Temperature of the teacher; below 1 sharpens it."),
  stages: z
    .union([z.literal(1), z.literal(2)])
    .default(2)
    .describe(
      "2: cross-entropy Taylor first, then self-distillation. 1: self-distillation from the dense model.",
    ),
  absolute,
});

/**
 * SDMPrune (Zhu & Shen 2025, https://arxiv.org/abs/2506.11120): a light first cut by one-hot Taylor scores, then
 * self-distillation of that student against the original model down to the target width.
 */
export function createSdmPrune({
  alpha,
  tau,
  stages,
  absolute = "sample",
}: Omit<z.output<typeof sdmPruneOptions>, "absolute"> & {
  absolute?: "sample" | "batch";
}): PruningMethod {
  const distill = (width: number): Stage => ({
    name: "self-distillation",
    run: (context) => scoreAndSelect(context, "self-distillation", { alpha, tau, absolute }, width),
  });
  return {
    needsCalibration: true,
    stages: ({ shape, width }) => {
      const firstWidths = shape.widths.map(firstStageWidth);
      if (stages === 1 || width >= Math.min(...firstWidths)) return [distill(width)];
      const first: Stage = {
        name: "taylor",
        run: async (context) => {
          const scores = await context.score("taylor", { absolute });
          return { kept: keepBest(context.kept, scores, firstWidths) };
        },
      };
      return [first, distill(width)];
    },
  };
}

/** The method that scores once with one criterion and keeps the best neurons. */
export function createSingleStageMethod(
  importance: string,
  {
    needsCalibration,
    options = {},
  }: { needsCalibration: boolean; options?: Readonly<Record<string, unknown>> },
): PruningMethod {
  return {
    needsCalibration,
    stages: ({ width }) => [
      { name: importance, run: (context) => scoreAndSelect(context, importance, options, width) },
    ],
  };
}

export const wandaMethodOptions = z.strictObject({
  propagate: z
    .boolean()
    .default(false)
    .describe(
      "Score layer by layer, each on what the pruned layers before it put out, as the original does.",
    ),
});

/** Wanda for whole neurons; its importance says what it computes. */
export function createWandaMethod({ propagate }: z.output<typeof wandaMethodOptions>): PruningMethod {
  if (!propagate) return createSingleStageMethod("wanda", { needsCalibration: true });
  return {
    needsCalibration: true,
    decidesWidths: true,
    stages: ({ shape, width }) => {
      const widths = shape.widths.map((w) => Math.min(w, width));
      return [
        {
          name: "wanda",
          run: async (context) => {
            const scores = await context.score("wanda", {}, { propagateWidths: widths });
            return { kept: keepBest(context.kept, scores, widths) };
          },
        },
      ];
    },
  };
}

async function scoreAndSelect(
  context: StageContext,
  importance: string,
  options: Readonly<Record<string, unknown>>,
  width: number,
): Promise<StageResult> {
  const scores = await context.score(importance, options);
  return { kept: keepBest(context.kept, scores, context.allocate(scores, width)) };
}

/**
 * The best `widths[l]` of each layer's current neurons, as indices into the original checkpoint.
 *
 * @param scores - One per current neuron, in the order of `kept`.
 * @throws {ShapeError} If there are not as many scores as neurons.
 * @throws {UsageError} If a width is no number of neurons that the layer has.
 */
export function keepBest(
  kept: KeptNeurons,
  scores: readonly Float64Array[],
  widths: readonly number[],
): KeptNeurons {
  return kept.map((indices, layer) => {
    const score = scores[layer];
    const width = widths[layer];
    if (score?.length !== indices.length) {
      throw new ShapeError(
        `scores: layer ${layer}: expected one for each of ${indices.length} neurons, got ${score?.length ?? "none"}.`,
      );
    }
    if (!Number.isSafeInteger(width) || width! < 1 || width! > indices.length) {
      throw new UsageError(
        `widths: layer ${layer}: expected an integer from 1 to ${indices.length}, got ${width}.`,
      );
    }
    return selectNeurons(score, width!).map((n) => indices[n]!);
  });
}

import { UsageError } from "@sdmprune/core";
import { createSingleStageMethod, keepBest, type PruningMethod, type StagesRequest } from "@sdmprune/pruning";
import type { MethodOptions } from "./llm-pruner-options.js";

/** Of 32 layers, the original leaves these many at the start and at the end whole. */
const WHOLE_AT_START = 4 / 32;
const WHOLE_AT_END = 2 / 32;

/** LLM-Pruner (https://arxiv.org/abs/2305.11627) for MLP neurons, in one stage; its importance says what it computes. */
export function createLlmPrunerMethod({ taylor, preset }: MethodOptions): PruningMethod {
  const options = { taylor };
  if (preset === "matched") {
    return createSingleStageMethod("llm-pruner", { needsCalibration: true, options });
  }
  return {
    needsCalibration: true,
    decidesWidths: true,
    stages: (request) => {
      const widths = originalWidths(request);
      return [
        {
          name: "llm-pruner",
          run: async ({ kept, score }) => ({
            kept: keepBest(kept, await score("llm-pruner", options), widths),
          }),
        },
      ];
    },
  };
}

/**
 * Widths with the first and last layers whole and the others cut so far that the model is no larger than at the uniform
 * width. Layers are counted in proportion to the original's 4 and 2 of 32, rounded.
 *
 * @throws {UsageError} If the layers that may be cut are too few for that.
 */
export function originalWidths({ shape, width, roundTo = 1 }: StagesRequest): number[] {
  const { widths, neuronSizes } = shape;
  const numLayers = widths.length;
  const start = Math.round(numLayers * WHOLE_AT_START);
  const end = numLayers - Math.round(numLayers * WHOLE_AT_END);
  const isCut = (layer: number): boolean => layer >= start && layer < end;
  const parameters = (of: (layer: number) => number): number =>
    neuronSizes.reduce((sum, size, layer) => sum + size * of(layer), 0);
  const budget =
    parameters((layer) => Math.min(width, widths[layer]!)) -
    parameters((layer) => (isCut(layer) ? 0 : widths[layer]!));
  const perNeuron = parameters((layer) => (isCut(layer) ? 1 : 0));
  const left = Math.floor(budget / perNeuron / roundTo) * roundTo;
  if (left < 1) {
    throw new UsageError(
      `llm-pruner: with the first ${start} and the last ${numLayers - end} of ${numLayers} layers whole, the others would keep ${Math.max(0, Math.floor(budget / perNeuron))} neurons; ` +
        `expected at least ${roundTo}. Choose a smaller ratio or --round-to, or the preset matched.`,
    );
  }
  return widths.map((whole, layer) => (isCut(layer) ? Math.min(whole, left) : whole));
}

import { sdmNeuronScore } from "@sdmprune/tensor";
import { z } from "zod";
import type { MlpBackwardObservation } from "@sdmprune/models";
import type { ImportanceCriterion } from "../criterion.js";
import type { ScoreAccumulator } from "../score-accumulator.js";

export const selfDistillationOptions = z.strictObject({
  loss: z
    .enum(["blend", "ce", "entropy"])
    .default("blend")
    .describe(
      "Loss whose gradient scores the neurons: the blend with distillation, cross-entropy or entropy.",
    ),
  alpha: z.number().min(0).max(1).default(0.4).describe("Share of the distillation loss in the blend."),
  tau: z.number().positive().default(0.2).describe("Temperature of the teacher; below 1 sharpens it."),
});

/**
 * The criterion of SDMPrune (Zhu & Shen 2025, https://arxiv.org/abs/2506.11120): for each sample
 * `mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|`, where `g` are the gradients of
 * `(1 - alpha) * CE + alpha * KL(teacher at temperature tau || student)`; summed over the samples.
 */
export function createSelfDistillation(
  options: z.output<typeof selfDistillationOptions>,
): ImportanceCriterion {
  const { loss, alpha, tau } = options;
  return {
    needs: {
      gradients: {
        loss:
          loss === "blend"
            ? { kind: "blend", alpha, tau }
            : { kind: loss === "ce" ? "cross-entropy" : "entropy" },
      },
    },
    observe: addSdmScore,
  };
}

/** The same reduction with the gradient of plain next-token cross-entropy: stage 1 of SDMPrune. */
export function createTaylor(): ImportanceCriterion {
  return { needs: { gradients: { loss: { kind: "cross-entropy" } } }, observe: addSdmScore };
}

function addSdmScore(observation: MlpBackwardObservation, scores: ScoreAccumulator): void {
  const { layer, input, activation, gateGrad, upGrad, outputGrad, weights } = observation;
  scores.add(
    layer,
    sdmNeuronScore({
      x: input,
      activation,
      gateGrad,
      upGrad,
      dy: outputGrad,
      gate: weights.gate,
      up: weights.up,
      down: weights.down,
    }),
  );
}

import { sdmNeuronScore, tf, type LossSpec } from "@sdmprune/tensor";
import { z } from "zod";
import type { MlpBackwardObservation } from "@sdmprune/models";
import type { FinishedLayer, ImportanceCriterion } from "../criterion.js";
import type { ScoreAccumulator } from "../score-accumulator.js";

const absolute = z
  .enum(["sample", "batch"])
  .default("sample")
  .describe(
    "When magnitudes are taken: of each sample's gradients, or of their mean over all samples, where opposite ones cancel.",
  );

export const taylorOptions = z.strictObject({ absolute });

export const selfDistillationOptions = z.strictObject({
  loss: z
    .enum(["blend", "ce", "entropy"])
    .default("blend")
    .describe(
      "Loss whose gradient scores the neurons: the blend with distillation, cross-entropy or entropy.",
    ),
  alpha: z.number().min(0).max(1).default(0.4).describe("Share of the distillation loss in the blend."),
  tau: z.number().positive().default(0.2).describe("Temperature of the teacher; below 1 sharpens it."),
  absolute,
});

type Absolute = z.output<typeof absolute>;

/**
 * The criterion of SDMPrune (Zhu & Shen 2025, https://arxiv.org/abs/2506.11120): for each sample
 * `mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|`, where `g` are the gradients of
 * `(1 - alpha) * CE + alpha * KL(teacher at temperature tau || student)`; summed over the samples. With `absolute: "batch"`, `g` is the gradient of the mean loss over all samples.
 */
export function createSelfDistillation(
  options: Omit<z.output<typeof selfDistillationOptions>, "absolute"> & { absolute?: Absolute },
): ImportanceCriterion {
  const { loss, alpha, tau, absolute } = options;
  const spec: LossSpec =
    loss === "blend" ? { kind: "blend", alpha, tau } : { kind: loss === "ce" ? "cross-entropy" : "entropy" };
  return salience(spec, absolute);
}

/** The same reduction with the gradient of plain next-token cross-entropy: stage 1 of SDMPrune. */
export function createTaylor({ absolute }: { absolute?: Absolute } = {}): ImportanceCriterion {
  return salience({ kind: "cross-entropy" }, absolute);
}

function salience(loss: LossSpec, absolute: Absolute = "sample"): ImportanceCriterion {
  const gradients = { loss };
  return absolute === "sample"
    ? { needs: { gradients }, observe: addSdmScore }
    : { needs: { gradients, weightGradients: "mean" }, finish: batchScore };
}

/** `mean_h |down * dDown + up * dUp + gate * dGate|` of the mean gradients. */
function batchScore({ weights, weightGradients }: FinishedLayer): tf.Tensor1D {
  const { gate, up, down } = weightGradients!.mean;
  return tf.tidy(() => {
    const rows = tf.add(tf.mul(weights.gate, gate), tf.mul(weights.up, up)); // [F, H]
    const columns = tf.transpose(tf.mul(weights.down, down)); // [H, F] -> [F, H]
    return tf.mean<tf.Tensor1D>(tf.abs(tf.add(rows, columns)), 1);
  });
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

import { z } from "zod";

const taylor = z
  .enum(["param_first", "param_second", "param_mix", "vectorize"])
  .default("param_first")
  .describe(
    "Salience of a neuron. param_first: sum of |w g|. param_second: sum of w^2 times the mean squared gradient. " +
      "param_mix: sum of |w g - w^2 g^2 / 2|. vectorize: |sum of w g| of each matrix.",
  );

export const importanceOptions = z.strictObject({ taylor });

export const methodOptions = z.strictObject({
  taylor,
  preset: z
    .enum(["matched", "original"])
    .default("matched")
    .describe(
      "matched: every layer is cut, to the same width. original: the first 4/32 and last 2/32 of the layers stay " +
        "whole, and the others are cut further for the same size in all.",
    ),
});

export type ImportanceOptions = z.output<typeof importanceOptions>;
export type MethodOptions = z.output<typeof methodOptions>;

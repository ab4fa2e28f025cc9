import { z } from "zod";

export const flapOptions = z.strictObject({
  metric: z
    .enum(["WIFV", "IFV", "WIFN"])
    .default("WIFV")
    .describe(
      "WIFV: variance of the activation times the squared norm of the down column. IFV: the variance alone. " +
        "WIFN: mean of |down| times the norm of the activation.",
    ),
  standardize: z
    .boolean()
    .default(true)
    .describe("Scores are standardised within each layer, so that the allocation global can compare layers."),
});

export type FlapOptions = z.output<typeof flapOptions>;

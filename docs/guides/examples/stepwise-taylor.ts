import { definePlugin } from "@sdmprune/core";
import { keepBest, type PruningMethod } from "@sdmprune/pruning";
import { z } from "zod";

const options = z.strictObject({
  steps: z.int().min(1).default(3).describe("How many times to score and cut."),
});

/** Cuts in equal steps, and scores anew what each step leaves. */
function createStepwiseTaylor({ steps }: z.output<typeof options>): PruningMethod {
  return {
    needsCalibration: true,
    stages: ({ shape, width }) =>
      Array.from({ length: steps }, (_, i) => ({
        name: `step ${i + 1}`,
        async run({ kept, score, allocate }) {
          const scores = await score("taylor");
          const isLast = i + 1 === steps;
          const widths = shape.widths.map((whole) => Math.ceil(whole - ((whole - width) * (i + 1)) / steps));
          return { kept: keepBest(kept, scores, isLast ? allocate(scores, width) : widths) };
        },
      })),
  };
}

export default definePlugin({
  name: "stepwise-taylor",
  register({ methods }) {
    methods.register("stepwise-taylor", createStepwiseTaylor, {
      description: "One-hot Taylor in several steps, each scored on what the one before left.",
      options,
    });
  },
});

import { Rng } from "@sdmprune/core";
import { z } from "zod";
import type { ImportanceCriterion } from "../criterion.js";

export const randomOptions = z.strictObject({
  seed: z.int().min(0).default(0).describe("Seed of the scores."),
});

/** Uniform random scores, seeded per layer: the floor that any criterion has to beat. Needs no data. */
export function createRandom({ seed }: z.output<typeof randomOptions>): ImportanceCriterion {
  return {
    needs: {},
    finish: ({ layer, score }) => {
      const rng = new Rng(seed, `importance/random/${layer}`);
      return score.map(() => rng.uniform());
    },
  };
}

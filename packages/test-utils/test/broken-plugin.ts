import { definePlugin } from "@sdmprune/core";
import type { ImportanceCriterion } from "@sdmprune/importance";
import { createSingleStageMethod, type Allocation, type PruningMethod } from "@sdmprune/pruning";
import { tf } from "@sdmprune/tensor";
import { z } from "zod";
import { describePluginContract } from "../src/plugin-contract.js";

/** Run by plugin-contract.test.ts alone: every extension breaks a promise of the contract, the one its name tells. */

const sumOfSquares: NonNullable<ImportanceCriterion["observe"]> = ({ layer, activation }, scores) =>
  scores.add(
    layer,
    tf.tidy(() => tf.sum(tf.square(activation), 0)),
  );

let calls = 0;
const criteria: Record<string, ImportanceCriterion> = {
  constant: { needs: {}, finish: ({ score }) => score.fill(1) },
  leaking: {
    needs: { activations: true },
    observe: (observation, scores) => {
      tf.keep(tf.scalar(1));
      sumOfSquares(observation, scores);
    },
  },
  restless: { needs: {}, finish: ({ score }) => score.map((_, n) => ++calls * (n + 1)) },
  short: { needs: {}, finish: ({ score }) => score.subarray(1) },
  infinite: { needs: {}, finish: ({ score }) => score.map((_, n) => 1 / n) },
};

/** Scores depend on how many samples this very object has seen. */
function createForgetful(): ImportanceCriterion {
  let nsamples = 0;
  return {
    needs: { activations: true },
    observe: ({ layer, activation }, scores) => {
      if (layer === 0) nsamples++;
      const weight = nsamples;
      scores.add(
        layer,
        tf.tidy(() => tf.mul(weight, tf.sum(tf.square(activation), 0))),
      );
    },
  };
}

const lavish: Allocation = { allocate: ({ scores }) => scores.map(({ length }) => length) };
const generous: PruningMethod = {
  needsCalibration: false,
  stages: () => [{ name: "generous", run: ({ kept }) => Promise.resolve({ kept }) }],
};
const terse = createSingleStageMethod("magnitude", { needsCalibration: false });

describePluginContract(
  definePlugin({
    name: "broken",
    register({ importances, allocations, methods, models }) {
      const description = "Breaks a promise.";
      for (const [name, criterion] of Object.entries(criteria)) {
        importances.register(name, () => criterion, { description });
      }
      importances.register("forgetful", createForgetful, { description });
      allocations.register("lavish", () => lavish, { description });
      methods.register("generous", () => generous, { description });
      methods.register("terse", () => terse, { options: z.object({ power: z.number() }) });
      models.register("unheard-of", () => Promise.reject(new Error("never loaded")), { description });
    },
  }),
);

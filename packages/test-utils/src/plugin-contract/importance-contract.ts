import type { Registries } from "@sdmprune/core";
import { keepsState, type SweepState } from "@sdmprune/importance";
import { createSingleStageMethod } from "@sdmprune/pruning";
import { tf } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";
import { expectPrunedModel } from "./expect-pruned-model.js";
import { runMethod, scoreTiny, tinyRun } from "./tiny-run.js";

const WIDTH = 9;

/** A criterion scores every neuron of the tiny Llama, and its best neurons make a model. */
export function describeImportance(name: string, registries: Registries): void {
  describe(`importance "${name}"`, () => {
    const run = tinyRun();
    const create = () => registries.importances.create(name);

    it("gives every neuron a finite score, the same twice, and leaves no tensor behind", async () => {
      const model = await run.load();
      const first = await scoreTiny(model, await create()); // loads the weights, too
      expect(first.map(({ length }) => length)).toEqual(run.shape.widths);
      expect(first.every((score) => score.every(Number.isFinite))).toBe(true);
      const before = tf.memory().numTensors;
      expect(await scoreTiny(model, await create())).toEqual(first);
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    });

    it("tells neurons apart", async () => {
      const model = await run.load();
      const scores = await scoreTiny(model, await create());
      for (const score of scores) expect(new Set(score).size).toBeGreaterThan(1);
      model.dispose();
    });

    it("gives the same scores when others are scored in the same sweep", async () => {
      const model = await run.load();
      const company = { taylor: await registries.importances.create("taylor") };
      expect(await scoreTiny(model, await create(), { company })).toEqual(
        await scoreTiny(model, await create()),
      );
      model.dispose();
    });

    it("gives the same scores when a sweep goes on from another's sums, or says that it has a state", async () => {
      const criterion = await create();
      if (keepsState(criterion)) return;
      const model = await run.load();
      let resumeFrom: SweepState | undefined;
      const whole = await scoreTiny(model, criterion, {
        onSample: (state) => void (resumeFrom ??= structuredClone(state)),
      });
      const resumed = await scoreTiny(model, await create(), resumeFrom ? { resumeFrom } : {});
      expect(resumed).toEqual(whole);
      model.dispose();
    });

    it("prunes to a model that runs and is read back bit for bit", async () => {
      const { needs } = await create();
      const needsCalibration = needs.activations === true || needs.gradients !== undefined;
      const method = createSingleStageMethod(name, { needsCalibration });
      const { kept } = await runMethod(method, run, { registries, width: WIDTH, allocation: "uniform" });
      expect(kept.map(({ length }) => length)).toEqual([WIDTH, WIDTH]);
      await expectPrunedModel(run, kept);
    });
  });
}

import type { Registries } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";
import { expectPrunedModel } from "./expect-pruned-model.js";
import { runMethod, tinyRun } from "./tiny-run.js";

/** A method prunes the tiny Llama to the width it is asked for. */
export function describeMethod(name: string, registries: Registries): void {
  describe(`method "${name}"`, () => {
    const run = tinyRun();
    const prune = async (width: number) =>
      runMethod(await registries.methods.create(name), run, { registries, width, allocation: "uniform" });

    it("says whether it needs calibration data, and has named stages", async () => {
      const method = await registries.methods.create(name);
      expect(typeof method.needsCalibration).toBe("boolean");
      const stages = method.stages({ shape: run.shape, width: 10 });
      expect(stages.length).toBeGreaterThan(0);
      for (const stage of stages) expect(stage.name).toMatch(/^\S.*$/);
    });

    it.each([1, 10, 23])("keeps %i of 24 neurons of every layer, in a model that runs", async (width) => {
      const { kept, edits } = await prune(width);
      expect(kept.map(({ length }) => length)).toEqual([width, width]);
      await expectPrunedModel(run, kept, edits);
    });

    it("keeps the same neurons twice, and leaves no tensor behind", async () => {
      const { kept } = await prune(10);
      const before = tf.memory().numTensors;
      expect((await prune(10)).kept).toEqual(kept);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

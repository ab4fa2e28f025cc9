import { ShapeError, UsageError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import {
  createSdmPrune,
  createSingleStageMethod,
  createWandaMethod,
  keepBest,
  sdmPruneOptions,
} from "./methods.js";
import type { ModelShape } from "./model-shape.js";
import type { PruningMethod, ScoreOptions, Stage, StageContext } from "./pruning-method.js";
import type { KeptNeurons } from "./pruning-plan.js";

const shapeOf = (...widths: number[]): ModelShape => ({
  widths,
  neuronSizes: widths.map(() => 1),
  totalParameters: 1000,
  embeddingParameters: 0,
});
const whole = (widths: readonly number[]): KeptNeurons =>
  widths.map((width) => Int32Array.from({ length: width }, (_, n) => n));

/** What a stage asked of its context. */
interface Asked {
  readonly importance: string;
  readonly options: Readonly<Record<string, unknown>> | undefined;
  readonly how: ScoreOptions | undefined;
}

const noTraining = (): never => {
  throw new Error("no method of these trains");
};

/** Runs stages one after another; each neuron's score is its index in the original checkpoint. */
async function runStages(
  method: PruningMethod,
  shape: ModelShape,
  width: number,
): Promise<{ kept: KeptNeurons; asked: Asked[]; names: string[]; widths: number[][] }> {
  const stages: readonly Stage[] = method.stages({ shape, width });
  const asked: Asked[] = [];
  const widths: number[][] = [];
  let kept = whole(shape.widths);
  for (const [i, stage] of stages.entries()) {
    const context: StageContext = {
      number: i + 1,
      kept,
      score: (importance, options, how) => {
        asked.push({ importance, options, how });
        return Promise.resolve(kept.map((indices) => Float64Array.from(indices)));
      },
      training: noTraining,
      allocate: (scores, uniform) => scores.map((score) => Math.min(uniform, score.length)),
    };
    kept = (await stage.run(context)).kept;
    widths.push(kept.map(({ length }) => length));
  }
  return { kept, asked, names: stages.map(({ name }) => name), widths };
}

describe("sdmprune", () => {
  const options = sdmPruneOptions.parse({});

  it("cuts to 97.5 % by taylor, rounded down, then to the target by self-distillation", async () => {
    const run = await runStages(createSdmPrune(options), shapeOf(8192, 100, 48), 40);
    expect(run.names).toEqual(["taylor", "self-distillation"]);
    expect(run.widths).toEqual([
      [7987, 97, 46],
      [40, 40, 40],
    ]);
    expect(run.asked.map(({ importance, options }) => [importance, options])).toEqual([
      ["taylor", { absolute: "sample" }],
      ["self-distillation", { alpha: 0.4, tau: 0.2, absolute: "sample" }],
    ]);
    expect(Array.from(run.kept[2]!)).toEqual(Array.from({ length: 40 }, (_, n) => n + 8)); // the highest of 48
  });

  it("takes 39 of 40 neurons exactly, whatever the width", () => {
    const method = createSdmPrune(options);
    for (const width of [40, 80, 2560, 8000, 11_000, 40_000]) {
      const atFirst = method.stages({ shape: shapeOf(width), width: (39 * width) / 40 });
      expect(atFirst.map(({ name }) => name)).toEqual(["self-distillation"]);
      expect(method.stages({ shape: shapeOf(width), width: (39 * width) / 40 - 1 })).toHaveLength(2);
    }
  });

  it("is one stage of self-distillation when the target is no narrower than the first stage, or when told so", async () => {
    const wide = await runStages(createSdmPrune(options), shapeOf(8192, 8192), 8000);
    expect(wide.names).toEqual(["self-distillation"]);
    expect(wide.widths).toEqual([[8000, 8000]]);
    const single = sdmPruneOptions.parse({ stages: 1, alpha: 0.1, tau: 0.5 });
    const run = await runStages(createSdmPrune(single), shapeOf(8192), 4000);
    expect(run.names).toEqual(["self-distillation"]);
    expect(run.asked[0]!.options).toEqual({ alpha: 0.1, tau: 0.5, absolute: "sample" });
  });

  it("needs calibration data", () => {
    expect(createSdmPrune(options).needsCalibration).toBe(true);
  });

  it("takes alpha from 0 to 1, a tau above 0, and one or two stages", () => {
    expect(options).toEqual({ alpha: 0.4, tau: 0.2, stages: 2, absolute: "sample" });
    for (const wrong of [{ alpha: 1.1 }, { tau: 0 }, { stages: 3 }, { beta: 1 }]) {
      expect(sdmPruneOptions.safeParse(wrong).success).toBe(false);
    }
  });
});

describe("createSingleStageMethod", () => {
  it("scores once with the criterion and its options, and keeps the best", async () => {
    const options = { power: 2 };
    const method = createSingleStageMethod("mine", { needsCalibration: false, options });
    const run = await runStages(method, shapeOf(4, 6), 2);
    expect(method.needsCalibration).toBe(false);
    expect(run.asked).toEqual([{ importance: "mine", options, how: undefined }]);
    expect(run.names).toEqual(["mine"]);
    expect(run.kept).toEqual([Int32Array.of(2, 3), Int32Array.of(4, 5)]);
  });

  it("keeps what the allocation says", async () => {
    const [stage] = createSingleStageMethod("mine", { needsCalibration: false }).stages({
      shape: shapeOf(3, 3),
      width: 2,
    });
    const scores = [Float64Array.of(3, 1, 2), Float64Array.of(1, 2, 3)];
    const { kept } = await stage!.run({
      number: 1,
      kept: whole([3, 3]),
      score: () => Promise.resolve(scores),
      training: noTraining,
      allocate: (given, width) => {
        expect([given, width]).toEqual([scores, 2]);
        return [1, 3];
      },
    });
    expect(kept).toEqual([Int32Array.of(0), Int32Array.of(0, 1, 2)]);
  });
});

describe("wanda as a method", () => {
  it("scores every layer on the whole model, or behind pruned layers when told so", async () => {
    const plain = await runStages(createWandaMethod({ propagate: false }), shapeOf(6, 2), 4);
    expect(plain.asked).toEqual([{ importance: "wanda", options: {}, how: undefined }]);
    const propagated = await runStages(createWandaMethod({ propagate: true }), shapeOf(6, 2), 4);
    expect(propagated.asked).toEqual([
      { importance: "wanda", options: {}, how: { propagateWidths: [4, 2] } },
    ]);
    expect(propagated.kept).toEqual(plain.kept);
  });
});

describe("keepBest", () => {
  const kept = [Int32Array.of(2, 5, 7)];

  it("gives indices into the original checkpoint", () => {
    expect(keepBest(kept, [Float64Array.of(3, 1, 2)], [2])).toEqual([Int32Array.of(2, 7)]);
  });

  it("refuses scores of other neurons", () => {
    expect(() => keepBest(kept, [new Float64Array(4)], [2])).toThrow(ShapeError);
    expect(() => keepBest(kept, [new Float64Array(4)], [2])).toThrow(
      "scores: layer 0: expected one for each of 3 neurons, got 4.",
    );
    expect(() => keepBest(kept, [], [2])).toThrow("got none.");
  });

  it.each([0, 4, 1.5, NaN])("refuses the width %d of three neurons", (width) => {
    expect(() => keepBest(kept, [new Float64Array(3)], [width])).toThrow(UsageError);
    expect(() => keepBest(kept, [new Float64Array(3)], [width])).toThrow(
      `widths: layer 0: expected an integer from 1 to 3, got ${width}.`,
    );
  });
});

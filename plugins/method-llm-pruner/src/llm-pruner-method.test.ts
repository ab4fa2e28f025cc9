import { countParameters, type ModelShape } from "@sdmprune/pruning";
import { describe, expect, it } from "vitest";
import { originalWidths } from "./llm-pruner-method.js";

/** A model of MLPs with `width` neurons, of 6 parameters each. */
function shapeOf(numLayers: number, width: number): ModelShape {
  const total = numLayers * width * 6;
  return {
    widths: new Array<number>(numLayers).fill(width),
    neuronSizes: new Array<number>(numLayers).fill(6),
    totalParameters: total,
    embeddingParameters: 0,
  };
}

describe("the original preset", () => {
  it("leaves the first 4 and the last 2 of 32 layers whole, and cuts the others for the same size", () => {
    const shape = shapeOf(32, 130);
    const widths = originalWidths({ shape, width: 104 });
    expect(widths.slice(0, 4)).toEqual([130, 130, 130, 130]);
    expect(widths.slice(4, 30)).toEqual(new Array(26).fill(98)); // (32 * 104 - 6 * 130) / 26
    expect(widths.slice(30)).toEqual([130, 130]);
    expect(countParameters(shape, widths)).toEqual(countParameters(shape, new Array(32).fill(104)));
  });

  it("counts the layers in proportion, rounded", () => {
    const whole = (numLayers: number) =>
      originalWidths({ shape: shapeOf(numLayers, 100), width: 90 }).flatMap((w, l) => (w === 100 ? [l] : []));
    expect(whole(16)).toEqual([0, 1, 15]);
    expect(whole(30)).toEqual([0, 1, 2, 3, 28, 29]);
    expect(whole(4)).toEqual([0]);
  });

  it("rounds down to a multiple, so that the model is no larger than asked for", () => {
    const widths = originalWidths({ shape: shapeOf(32, 130), width: 104, roundTo: 16 });
    expect(new Set(widths)).toEqual(new Set([130, 96]));
  });

  it("says when the layers that may be cut are too few", () => {
    expect(() => originalWidths({ shape: shapeOf(32, 130), width: 24 })).toThrow(
      "llm-pruner: with the first 4 and the last 2 of 32 layers whole, the others would keep 0 neurons; expected at least 1. Choose a smaller ratio or --round-to, or the preset matched.",
    );
  });
});

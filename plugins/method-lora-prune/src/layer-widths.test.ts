import { describe, expect, it } from "vitest";
import { layerWidths } from "./layer-widths.js";

describe("layerWidths", () => {
  it("is the target's width in every layer by default", () => {
    expect(layerWidths([10, 10, 4], 6, [])).toEqual([6, 6, 4]);
  });

  it("takes from the others what skipped layers keep", () => {
    expect(layerWidths([10, 10, 10, 10], 6, [0, 3])).toEqual([10, 2, 2, 10]);
  });

  it("says what cannot be skipped", () => {
    expect(() => layerWidths([10, 10], 5, [2])).toThrow("skipLayers: expected layers from 0 to 1, got 2.");
    expect(() => layerWidths([10, 10], 5, [0])).toThrow(
      "skipLayers: expected layers to be left that can make up for the 1 skipped ones, got 1 of at most 0 neurons. Skip fewer, or prune less.",
    );
  });
});

import { describe, expect, it } from "vitest";
import { rankNeurons, selectNeurons } from "./select-neurons.js";

describe("selectNeurons", () => {
  it("keeps the highest scores, in rising order of index", () => {
    expect([...selectNeurons(Float64Array.of(0.1, 5, 3, 4, 2), 3)]).toEqual([1, 2, 3]);
  });

  it("keeps the lower index of equal scores", () => {
    expect([...selectNeurons(Float64Array.of(1, 2, 1, 1), 2)]).toEqual([0, 1]);
  });

  it("tells scores apart that are equal in float32", () => {
    expect([...selectNeurons(Float64Array.of(1, 1 + 1e-12), 1)]).toEqual([1]);
  });

  it("refuses a score that is not finite", () => {
    expect(() => rankNeurons(Float64Array.of(1, NaN))).toThrow(
      "scores: neuron 1 has the score NaN; every score must be finite.",
    );
  });
});

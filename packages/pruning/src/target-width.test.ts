import { describe, expect, it } from "vitest";
import type { ModelShape } from "./model-shape.js";
import { targetWidth } from "./target-width.js";

/** Llama-3.2-1B; counts and widths from the method's published arithmetic. */
const llama1b: ModelShape = {
  widths: new Array<number>(16).fill(8192),
  neuronSizes: new Array<number>(16).fill(3 * 2048),
  totalParameters: 1_235_814_400,
  embeddingParameters: 262_668_288,
};

describe("targetWidth", () => {
  it.each([
    [0.2, 8, 5680],
    [0.2, 32, 5664],
    [0.2, 64, 5696],
    [0.2, 128, 5632],
    [0.2, 256, 5632],
    [0.3, 8, 4424],
    [0.3, 64, 4416],
    [0.3, 128, 4480],
    [0.3, 256, 4352],
    [0.4, 32, 3168],
    [0.4, 64, 3136],
    [0.4, 256, 3072],
  ])("removes %f of Llama-3.2-1B in multiples of %i with width %i", (pruningRatio, roundTo, width) => {
    expect(targetWidth(llama1b, { pruningRatio, ratioOf: "total", roundTo })).toBe(width);
  });

  it("counts the MLPs alone, or all but the embeddings, when told so", () => {
    expect(targetWidth(llama1b, { pruningRatio: 0.5, ratioOf: "mlp", roundTo: 1 })).toBe(4096);
    // 8192 - 0.2 * (1235814400 - 262668288) / (16 * 6144) = 6212.07
    expect(targetWidth(llama1b, { pruningRatio: 0.2, ratioOf: "non-embedding", roundTo: 1 })).toBe(6212);
  });

  it("rounds a tie up", () => {
    const shape: ModelShape = { widths: [16], neuronSizes: [1], totalParameters: 16, embeddingParameters: 0 };
    expect(targetWidth(shape, { pruningRatio: 0.375, ratioOf: "mlp", roundTo: 4 })).toBe(12); // 10 lies between 8 and 12
  });

  it("takes an exact width as it is", () => {
    expect(targetWidth(llama1b, { width: 5681 })).toBe(5681);
  });

  it.each([
    [{ width: 9000 }, "width: expected an integer from 1 to 8192 (the model's intermediate_size), got 9000."],
    [
      { pruningRatio: 1, ratioOf: "total", roundTo: 64 },
      "ratio: expected the part to remove, at least 0 and less than 1, got 1.",
    ],
    [
      { pruningRatio: 0.9, ratioOf: "total", roundTo: 64 },
      "ratio: 0.9 of total parameters needs MLPs of width -3122, less than one multiple of 64; at most 0.647 can go with --round-to 64. Choose a smaller ratio or --round-to.",
    ],
    [
      { pruningRatio: 0.0001, ratioOf: "total", roundTo: 64 },
      "ratio: 0.0001 of total parameters needs width 8190.7, which rounds to 8192 of 8192: nothing would be removed. Choose a larger ratio, or a --round-to smaller than 64.",
    ],
  ] as const)("refuses %o", (target, message) => {
    expect(() => targetWidth(llama1b, target)).toThrow(message);
  });
});

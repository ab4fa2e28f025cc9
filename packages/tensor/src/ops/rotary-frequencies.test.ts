import { describe, expect, it } from "vitest";
import { rotaryFrequencies } from "./rotary-frequencies.js";

const LLAMA_3_2 = {
  type: "llama3",
  factor: 32,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositionEmbeddings: 8192,
} as const;

describe("rotaryFrequencies", () => {
  it("is a geometric series from 1", () => {
    expect(Array.from(rotaryFrequencies({ headDim: 4, theta: 10000 }))).toEqual([1, 0.01]);
  });

  it("covers only the rotated part of a head", () => {
    const partial = rotaryFrequencies({ headDim: 16, theta: 10000, partialFactor: 0.25 });
    expect(Array.from(partial)).toEqual([1, 0.01]);
  });

  it("divides every frequency for linear scaling", () => {
    const scaled = rotaryFrequencies({ headDim: 4, theta: 10000, scaling: { type: "linear", factor: 4 } });
    expect(Array.from(scaled)).toEqual([0.25, 0.0025]);
  });

  it("equals the frequencies of transformers 5.23 for Llama-3.2-1B", () => {
    const actual = rotaryFrequencies({ headDim: 64, theta: 500000, scaling: LLAMA_3_2 });
    // LlamaRotaryEmbedding(config).inv_freq in float32
    const expected = [
      1, 0.6636013, 0.4403666, 0.2922278, 0.1939228, 0.1286874, 0.0853971, 0.05666962, 0.03760603, 0.02495541,
      0.01656044, 0.01098953, 0.007292665, 0.004839421, 0.003211446, 0.001290548, 0.0004295567, 9.708286e-5,
      1.946164e-5, 1.291477e-5, 8.570256e-6, 5.687232e-6, 3.774054e-6, 2.504467e-6, 1.661967e-6, 1.102884e-6,
      7.318749e-7, 4.856731e-7, 3.222933e-7, 2.138742e-7, 1.419272e-7, 9.418306e-8,
    ];
    expect(actual).toHaveLength(32);
    expected.forEach((f, i) => expect(Math.abs(actual[i]! / f - 1)).toBeLessThan(1e-6));
  });

  it("says which option is out of range", () => {
    expect(() => rotaryFrequencies({ headDim: 5, theta: 10000 })).toThrow(
      "rotaryFrequencies: headDim * partialFactor must be a positive even number, got 5 * 1.",
    );
    expect(() => rotaryFrequencies({ headDim: 4, theta: 0 })).toThrow("theta must be positive, got 0.");
    expect(() => rotaryFrequencies({ headDim: 4, theta: 1e4, partialFactor: 2 })).toThrow(
      "partialFactor must be in (0, 1], got 2.",
    );
    const scaling = { ...LLAMA_3_2, highFreqFactor: 1 };
    expect(() => rotaryFrequencies({ headDim: 4, theta: 1e4, scaling })).toThrow(
      "scaling must have 0 < lowFreqFactor < highFreqFactor, got 1 and 1.",
    );
  });
});

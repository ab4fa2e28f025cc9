import { expect, it } from "vitest";
import { llama3RopeFactors, recoverLlama3Scaling } from "./rope-factors.js";

const LLAMA_32 = {
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

it("divides long wavelengths by the factor and leaves short ones, as Llama-3.2's config says", () => {
  const factors = llama3RopeFactors(LLAMA_32, 500000, 64);
  expect(factors[0]).toBe(1); // wavelength 2 pi
  expect(factors[31]).toBe(32);
  // Pair 17: wavelength 2 pi 500000^(34/64) = 6695.2, so smooth = (8192 / 6695.2 - 1) / 3 = 0.07452.
  expect(factors[17]).toBeCloseTo(1 / ((1 - 0.07452) / 32 + 0.07452), 2);
});

it.each([
  ["Llama-3.2-1B", LLAMA_32, 500000, 64],
  ["Llama-3.1-8B", { ...LLAMA_32, factor: 8 }, 500000, 128],
  [
    "other numbers",
    { factor: 4, low_freq_factor: 1, high_freq_factor: 6, original_max_position_embeddings: 2048 },
    10000,
    64,
  ],
  [
    "a context that is not a power of two",
    { ...LLAMA_32, original_max_position_embeddings: 5000 },
    100000,
    80,
  ],
])("finds the scaling again from its factors: %s", (_, scaling, theta, headDim) => {
  expect(recoverLlama3Scaling(llama3RopeFactors(scaling, theta, headDim), theta, headDim, "f")).toEqual(
    scaling,
  );
});

it("takes factors of 1 for no scaling, and refuses those of another kind", () => {
  expect(recoverLlama3Scaling(new Float32Array(32).fill(1), 10000, 64, "f")).toBeUndefined();
  const linear = Float32Array.from({ length: 32 }, (_, k) => 1 + k);
  expect(() => recoverLlama3Scaling(linear, 10000, 64, "model.gguf")).toThrow(
    "model.gguf: expected factors of llama3 rotary scaling for head_dim 64, got 32 other ones from 1 to 32.",
  );
});

import { expect, it } from "vitest";
import { checkCompatibility } from "./index.js";

const statuses = (...widths: number[]): Record<string, string> =>
  Object.fromEntries(
    checkCompatibility(widths).map(({ consumer, status, note }) => [consumer, `${status}: ${note}`]),
  );

it("tells which tensor parallel sizes, quantisations and group sizes a width allows", () => {
  expect(statuses(5632, 5632)).toEqual({
    transformers: "yes: one intermediate_size in config.json",
    vLLM: "yes: tensor parallel size 1, 2, 4, 8",
    "llama.cpp (GGUF)": "yes: every quantisation, K-quants too",
    MLX: "yes: quantises with groups of 64",
  });
  expect(statuses(5696)).toMatchObject({
    "llama.cpp (GGUF)": expect.stringMatching(/^partly: Q4_0, .*not a multiple of 256/) as string,
    MLX: "yes: quantises with groups of 64",
  });
  expect(statuses(5681)).toEqual({
    transformers: "yes: one intermediate_size in config.json",
    vLLM: "partly: tensor parallel size 1",
    "llama.cpp (GGUF)": "partly: F32, F16, BF16 only (not a multiple of 32)",
    MLX: "partly: runs; quantisation skips down_proj (not a multiple of 64)",
  });
});

it("says that stock code takes one width for all layers", () => {
  expect(checkCompatibility([64, 128]).every(({ status }) => status === "no")).toBe(true);
});

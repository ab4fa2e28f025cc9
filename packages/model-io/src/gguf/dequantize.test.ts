import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dequantize } from "./dequantize.js";
import { GGML_TYPE_NAMES } from "./ggml-types.js";
import { quantizeQ80 } from "./quantize-q8.js";

interface Fixture {
  dequantize: Record<string, { blocks: string; values: string }>;
  quantize_q8_0: { values: string; blocks: string };
}
const fixture = JSON.parse(
  readFileSync(new URL("../../test/fixtures/gguf-blocks.json", import.meta.url), "utf8"),
) as Fixture;
const decode = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));

describe("values of GGUF blocks are bit for bit those of Python's gguf", () => {
  it.each(GGML_TYPE_NAMES)("%s", (type) => {
    const { blocks, values } = fixture.dequantize[type]!;
    const got = dequantize(decode(blocks), type);
    expect([...new Uint32Array(got.buffer, got.byteOffset, got.length)]).toEqual([
      ...new Uint32Array(decode(values).buffer),
    ]);
  });

  it("and Q8_0 blocks of values, zeros and ties among them", () => {
    const { values, blocks } = fixture.quantize_q8_0;
    expect(quantizeQ80(new Float32Array(decode(values).buffer))).toEqual(decode(blocks));
  });
});

it("refuses what is not whole blocks, and values that no block can hold", () => {
  expect(() => dequantize(new Uint8Array(17), "Q4_0")).toThrow(
    "dequantize: expected whole blocks of 18 bytes (Q4_0), got 17 bytes.",
  );
  expect(() => quantizeQ80(new Float32Array(31))).toThrow("expected a multiple of 32 values, got 31.");
  expect(() => quantizeQ80(new Float32Array(32).fill(NaN))).toThrow("got NaN at 0.");
});

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { type FloatDType, fromFloat32, toFloat32 } from "./float-conversion.js";
import { openSafetensors } from "./open-safetensors.js";

const fixture = async (name: string) => readFile(new URL(`../test/fixtures/${name}`, import.meta.url));
const every16 = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const bytesOf = (array: Uint16Array | Float32Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe("toFloat32", () => {
  it("widens the values of each type", () => {
    const cases = [
      ["F32", new Float32Array([1.5, -0, Infinity]), [1.5, -0, Infinity]],
      ["F64", new Float64Array([1 / 3, 1e300]), [Math.fround(1 / 3), Infinity]],
      ["F16", new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7c00, 0x8000]), [1, -2, 2 ** -24, Infinity, -0]],
      ["BF16", new Uint16Array([0x3f80, 0xc000, 0x7f80, 0x4049]), [1, -2, Infinity, 3.140625]],
      ["I64", new BigInt64Array([-3n, 2n ** 40n]), [-3, 2 ** 40]],
      ["U64", new BigUint64Array([2n ** 63n]), [2 ** 63]],
      ["I32", new Int32Array([-7]), [-7]],
      ["U32", new Uint32Array([4000000000]), [4000000000]],
      ["I16", new Int16Array([-300]), [-300]],
      ["U16", new Uint16Array([65535]), [65535]],
      ["I8", new Int8Array([-128]), [-128]],
      ["U8", new Uint8Array([255]), [255]],
      ["BOOL", new Uint8Array([0, 1]), [0, 1]],
    ] as const;
    for (const [dtype, array, expected] of cases) {
      expect(Array.from(toFloat32(new Uint8Array(array.buffer), dtype)), dtype).toEqual([...expected]);
    }
  });

  it("widens every float16 as PyTorch does", async () => {
    const expected = JSON.parse(String(await fixture("expected.json"))) as {
      float16_as_float32_sha256: string;
    };
    const values = toFloat32(bytesOf(every16), "F16").map((value) => (Number.isNaN(value) ? 0 : value));
    // PyTorch's nan_to_num, with which the reference removes NaNs, also makes infinities the largest number.
    const finite = values.map((value) => Math.max(-65504, Math.min(65504, value)));
    const hash = createHash("sha256").update(bytesOf(finite)).digest("hex");
    expect(hash).toBe(expected.float16_as_float32_sha256);
  });

  it("reads bytes that do not start at an aligned address", () => {
    const shifted = new Uint8Array(9);
    shifted.set(bytesOf(new Float32Array([2.5, -1])), 1);
    expect(Array.from(toFloat32(shifted.subarray(1), "F32"))).toEqual([2.5, -1]);
  });

  it("widens any number of bfloat16s from any address", () => {
    const bits = Uint16Array.of(0x4040, 0x3f80, 0xc000, 0x7f80, 0xbf80);
    for (let start = 0; start <= bits.length; start++) {
      for (let end = start; end <= bits.length; end++) {
        const values = toFloat32(bytesOf(bits.subarray(start, end)), "BF16");
        expect(Array.from(values)).toEqual([3, 1, -2, Infinity, -1].slice(start, end));
      }
    }
  });

  it("writes into the array it is given", () => {
    const out = new Float32Array(2);
    expect(toFloat32(bytesOf(new Uint16Array([0x3f80, 0xbf80])), "BF16", out)).toBe(out);
    expect(Array.from(out)).toEqual([1, -1]);
    toFloat32(bytesOf(new Float32Array([3, 4])), "F32", out);
    expect(Array.from(out)).toEqual([3, 4]);
  });

  it("refuses lengths that do not fit and types without a float32 form", () => {
    expect(() => toFloat32(new Uint8Array(3), "BF16")).toThrow(
      "expected a multiple of 2 bytes of BF16, got 3.",
    );
    expect(() => toFloat32(new Uint8Array(4), "BF16", new Float32Array(3))).toThrow(
      "expected 6 bytes of BF16, got 4.",
    );
    expect(() => toFloat32(new Uint8Array(4), "F8_E4M3")).toThrow(
      "got F8_E4M3. Convert the checkpoint to BF16 first.",
    );
  });
});

describe("fromFloat32", () => {
  it("rounds to F16 and BF16 as PyTorch does: ties, subnormals, overflow", async () => {
    const file = await openSafetensors(await fixture("rounding.safetensors"));
    const values = await file.readFloat32("f32");
    expect(values.length).toBeGreaterThan(4900);
    expect(Buffer.from(fromFloat32(values, "F16")).equals(await file.read("f16"))).toBe(true);
    expect(Buffer.from(fromFloat32(values, "BF16")).equals(await file.read("bf16"))).toBe(true);
  });

  it.each(["F16", "BF16"] as const)("gives back every %s bit pattern, NaNs included", (dtype: FloatDType) => {
    const widened = toFloat32(bytesOf(every16), dtype);
    expect(Buffer.from(fromFloat32(widened, dtype)).equals(bytesOf(every16))).toBe(true);
  });

  it("keeps a NaN a NaN even if its payload is in the lost bits", () => {
    const nan = new Float32Array(new Uint32Array([0x7f800001, 0xff800001]).buffer);
    expect(Array.from(toFloat32(fromFloat32(nan, "BF16"), "BF16"))).toEqual([NaN, NaN]);
    expect(Array.from(toFloat32(fromFloat32(nan, "F16"), "F16"))).toEqual([NaN, NaN]);
  });

  it("copies F32 and widens F64", () => {
    const values = new Float32Array([0.1, -2]);
    const copy = fromFloat32(values, "F32");
    expect(copy.buffer).not.toBe(values.buffer);
    expect(Array.from(toFloat32(copy, "F32"))).toEqual([Math.fround(0.1), -2]);
    expect(Array.from(new Float64Array(fromFloat32(values, "F64").buffer))).toEqual([Math.fround(0.1), -2]);
  });
});

import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { ByteSource } from "./byte-source.js";
import { BlobByteSource } from "./byte-source.js";
import { openSafetensors } from "./open-safetensors.js";

/** A safetensors file of any header and data, well-formed or not. */
function file(header: unknown, data: Uint8Array | number = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + json.byteLength + body.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  bytes.set(body, 8 + json.byteLength);
  return bytes;
}
const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

describe("openSafetensors", () => {
  it("reads what Python wrote", async () => {
    const bytes = await readFile(new URL("../test/fixtures/all-dtypes.safetensors", import.meta.url));
    const python = await openSafetensors(bytes, "all-dtypes.safetensors");
    expect(python.metadata).toEqual({ format: "pt" });
    expect(python.names.slice(0, 3)).toEqual(["t.U64", "t.I64", "t.F64"]);
    expect(python.tensor("t.BF16")).toMatchObject({ dtype: "BF16", shape: [2, 3], byteLength: 12 });
    expect(python.tensor("scalar")).toMatchObject({ shape: [], byteLength: 4 });
    expect((await python.read("zero")).byteLength).toBe(0);
    expect(python.has("🦊")).toBe(true);
  });

  it("reads only the bytes of the rows asked for", async () => {
    const ranges: [number, number][] = [];
    const bytes = file(
      { a: f32(0, 24, [3, 2]) },
      new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer),
    );
    const source: ByteSource = {
      size: bytes.byteLength,
      read: async (offset, length) => {
        ranges.push([offset, length]);
        return bytes.slice(offset, offset + length);
      },
    };
    const opened = await openSafetensors(source);
    ranges.length = 0;
    expect(Array.from(await opened.readFloat32("a", { rows: [1, 2] }))).toEqual([3, 4]);
    expect(ranges).toEqual([[bytes.byteLength - 16, 8]]);
  });

  it("reads from a Blob", async () => {
    const data = new Uint8Array(new Float32Array([7, 8]).buffer);
    const opened = await openSafetensors(
      new BlobByteSource(new Blob([file({ a: f32(0, 8) }, data) as BlobPart])),
    );
    expect(Array.from(await opened.readFloat32("a"))).toEqual([7, 8]);
  });

  it("accepts a file without tensors and one without metadata", async () => {
    expect((await openSafetensors(file({}))).names).toEqual([]);
    expect((await openSafetensors(file({ __metadata__: { a: "b" } }))).metadata).toEqual({ a: "b" });
  });

  it("suggests a name for an unknown tensor and refuses rows outside of it", async () => {
    const opened = await openSafetensors(
      file({ "lm_head.weight": f32(0, 8), s: f32(8, 12, []) }, 12),
      "m.safetensors",
    );
    await expect(opened.read("lm_head.wieght")).rejects.toThrow(
      'm.safetensors: expected a tensor "lm_head.wieght", got none of that name. Did you mean "lm_head.weight"?',
    );
    await expect(opened.read("lm_head.weight", { rows: [1, 3] })).rejects.toThrow(
      'm.safetensors: tensor "lm_head.weight": expected rows within [0, 2], got [1, 3].',
    );
    await expect(opened.read("s", { rows: [0, 1] })).rejects.toThrow(
      "expected a dimension to take rows of, got a scalar",
    );
  });

  it.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(0), "m: expected a safetensors file of at least 8 bytes, got 0."],
    [
      "a huge header length",
      new Uint8Array(16).fill(255),
      "m: expected a header of at most 100000000 bytes, got 18446744073709551615.",
    ],
    [
      "a header past the end",
      file({}).subarray(0, 9),
      "m: expected a header of 2 bytes, got a file of 9. Is it cut off?",
    ],
    ["a header that is a list", file("[]"), 'm: expected a header that starts with "{", got "[".'],
    ["broken JSON", file('{"a":'), "m: header: expected JSON, got a syntax error"],
    ["bytes that are not UTF-8", file("{}  ").fill(0xff, 10, 12), "m: header: expected UTF-8 text"],
    [
      "a duplicate name",
      file(`{"a":${JSON.stringify(f32(0, 4))},"a":${JSON.stringify(f32(0, 4))}}`, 4),
      'expected every key once, got "a" twice',
    ],
    [
      "an unknown dtype",
      file({ a: { ...f32(0, 4), dtype: "F33" } }, 4),
      'm: tensor "a": expected a known dtype, got "F33".',
    ],
    [
      "a dtype of an object's own",
      file({ a: { ...f32(0, 4), dtype: "toString" } }, 4),
      "expected a known dtype",
    ],
    [
      "a negative shape",
      file({ a: f32(0, 4, [-1]) }, 4),
      'm: tensor "a": expected a shape of non-negative integers, got [-1].',
    ],
    [
      "a fractional shape",
      file({ a: f32(0, 4, [1.5]) }, 4),
      "expected a shape of non-negative integers, got [1.5]",
    ],
    [
      "a size beyond 2^53",
      file({ a: f32(0, 4, [2 ** 30, 2 ** 30]) }, 4),
      'm: tensor "a": expected a size below 2^53 bits',
    ],
    [
      "a size that does not follow from the shape",
      file({ a: f32(0, 8, [3]) }, 8),
      'm: tensor "a": expected 12 bytes (F32, shape [3]), got data_offsets [0, 8].',
    ],
    [
      "offsets in the wrong order",
      file({ a: f32(4, 0, [1]) }, 4),
      "expected data_offsets in order, got [4, 0]",
    ],
    [
      "three offsets",
      file({ a: { ...f32(0, 4), data_offsets: [0, 4, 4] } }, 4),
      "expected data_offsets of two non-negative integers, got [0,4,4]",
    ],
    [
      "a negative offset",
      file({ a: { ...f32(0, 4), data_offsets: [-4, 0] } }, 4),
      "expected data_offsets of two non-negative integers",
    ],
    [
      "a tensor past the end",
      file({ a: f32(0, 16) }, 8),
      'm: tensor "a" ends at byte 79, past the end of the file (71 bytes).',
    ],
    ["an overlap", file({ a: f32(0, 8), b: f32(4, 12) }, 12), 'm: tensor "b" overlaps the one before it'],
    ["a hole", file({ a: f32(0, 4), b: f32(8, 12) }, 12), 'm: tensor "b" leaves a hole before it'],
    ["bytes behind the last tensor", file({ a: f32(0, 4) }, 5), "as its header says, got"],
    [
      "metadata that are not strings",
      file({ __metadata__: { a: 1 } }),
      'm: expected "__metadata__" to map strings to strings',
    ],
    ["a tensor that is a number", file({ a: 3 }), 'm: tensor "a": expected an object, got 3.'],
    [
      "half bytes",
      file({ a: { dtype: "F4", shape: [3], data_offsets: [0, 2] } }, 2),
      "expected whole bytes, got 12 bits",
    ],
    [
      "deep nesting",
      file(`{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`),
      "expected at most 200 levels of nesting",
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(openSafetensors(bytes, "m")).rejects.toThrow(message);
  });
});

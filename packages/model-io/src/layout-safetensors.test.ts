import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { layoutSafetensors, serializeSafetensors, type TensorToWrite } from "./layout-safetensors.js";
import { openSafetensors } from "./open-safetensors.js";

const floats = (name: string, ...values: number[]): TensorToWrite => ({
  name,
  dtype: "F32",
  shape: [values.length],
  data: () => new Uint8Array(new Float32Array(values).buffer),
});

describe("serializeSafetensors", () => {
  it("gives the same bytes as Python's save_file, whatever order the tensors come in", async () => {
    const python = await readFile(new URL("../test/fixtures/all-dtypes.safetensors", import.meta.url));
    const file = await openSafetensors(python);
    const tensors = [...file.names].reverse().map((name) => {
      const { dtype, shape } = file.tensor(name);
      return { name, dtype, shape, data: () => file.read(name) };
    });
    expect(Buffer.from(await serializeSafetensors(tensors)).equals(python)).toBe(true);
  });

  it("round-trips names that objects treat specially", async () => {
    const bytes = await serializeSafetensors([
      floats("__proto__", 1),
      floats("constructor", 2),
      floats("1", 3),
    ]);
    const file = await openSafetensors(bytes);
    expect(Array.from(await file.readFloat32("__proto__"))).toEqual([1]);
    expect(Array.from(await file.readFloat32("constructor"))).toEqual([2]);
  });

  it("leaves out empty metadata and pads the header to a multiple of 8", () => {
    const { header } = layoutSafetensors([], {});
    expect(Buffer.from(header).toString("latin1")).toBe("\x08\0\0\0\0\0\0\0{}      ");
  });

  it("refuses a name that stands twice or is taken, and data of the wrong length", async () => {
    expect(() => layoutSafetensors([floats("a", 1), floats("a", 2)])).toThrow(
      'expected every tensor name once, got "a" again',
    );
    expect(() => layoutSafetensors([floats("__metadata__", 1)])).toThrow('got "__metadata__" again');
    const short = { ...floats("a", 1), shape: [2] };
    await expect(serializeSafetensors([short])).rejects.toThrow(
      'tensor "a": expected 8 bytes (F32, shape [2]), got 4.',
    );
  });
});

import { fromFloat32, toFloat32, type DType, type FloatDType } from "@sdmprune/model-io";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { weightEdits, type EditedSource } from "./weight-edits.js";

/** A checkpoint of one matrix `w` [2, 3] and one vector `v` [2]. */
function sourceOf(dtype: DType, w: number[] = [1, 2, 3, 4, 5, 6]): EditedSource {
  const tensors: Record<string, { shape: number[]; values: number[] }> = {
    w: { shape: [2, 3], values: w },
    v: { shape: [2], values: [1, 1] },
  };
  return {
    info: (name) => ({ dtype, shape: tensors[name]!.shape }),
    read: (name) =>
      Promise.resolve(fromFloat32(Float32Array.from(tensors[name]!.values), dtype as FloatDType)),
  };
}

const adapter = { a: Float32Array.of(1, 0, 2), b: Float32Array.of(1, -1), r: 1, scaling: 0.5 };

describe("weightEdits", () => {
  beforeAll(activateCpuBackend);

  it.each(["F32", "F16", "BF16", "F64"] as const)(
    "merges an adapter, then scales rows, in the dtype of the checkpoint: %s",
    async (dtype) => {
      const before = tf.memory().numTensors;
      const edits = weightEdits(
        sourceOf(dtype),
        new Map([
          ["w", { adapter, rowFactors: [2, 0.5] }],
          ["v", { rowFactors: [3, 0.25] }],
        ]),
      );
      expect(edits.names).toEqual(["w", "v"]);
      // w + 0.5 [[1, 0, 2], [-1, 0, -2]] = [[1.5, 2, 4], [3.5, 5, 5]]
      expect([...toFloat32(await edits.read("w"), dtype)]).toEqual([3, 4, 8, 1.75, 2.5, 2.5]);
      expect([...toFloat32(await edits.read("v"), dtype)]).toEqual([3, 0.25]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it("changes no bit where there is nothing to change", async () => {
    const source = sourceOf("BF16", [0.1, -0.2, 1e-30, 3e30, 0, 7]);
    const nothing = { adapter: { ...adapter, b: new Float32Array(2) }, rowFactors: [1, 1] };
    expect(await weightEdits(source, new Map([["w", nothing]])).read("w")).toEqual(await source.read("w"));
  });

  it("says which tensor cannot be edited", async () => {
    expect(() => weightEdits(sourceOf("I32"), new Map([["w", { adapter }]]))).toThrow(
      'edit of tensor "w": expected F64, F32, F16 or BF16, got I32. Use a checkpoint that is not quantised.',
    );
    const wrong = weightEdits(sourceOf("F32"), new Map([["w", { rowFactors: [1] }]]));
    await expect(wrong.read("w")).rejects.toThrow('edit of tensor "w": expected 2 row factors, got 1.');
    const huge = weightEdits(sourceOf("F16"), new Map([["w", { rowFactors: [1, 1e5] }]]));
    await expect(huge.read("w")).rejects.toThrow(
      'edit of tensor "w": expected values that F16 can hold, got 400000. Train with a lower learning rate.',
    );
  });
});

import { describe, expect, it } from "vitest";
import { padTensor, sliceTensor } from "./slice-tensor.js";

const kept = Int32Array.of(0, 2);

describe("sliceTensor", () => {
  it.each([
    [1, Uint8Array],
    [2, Uint16Array],
    [4, Uint32Array],
  ] as const)("keeps rows and columns of elements of %i bytes", (itemSize, Elements) => {
    const matrix = Elements.of(1, 2, 3, 4, 5, 6, 7, 8, 9); // [3, 3]
    const bytes = new Uint8Array(matrix.buffer);
    expect([...new Elements(sliceTensor(bytes, [3, 3], itemSize, kept, 0).buffer as ArrayBuffer)]).toEqual([
      1, 2, 3, 7, 8, 9,
    ]);
    expect([...new Elements(sliceTensor(bytes, [3, 3], itemSize, kept, 1).buffer as ArrayBuffer)]).toEqual([
      1, 3, 4, 6, 7, 9,
    ]);
  });

  it("keeps elements of a bias", () => {
    const bias = BigUint64Array.of(10n, 20n, 30n);
    expect([...new BigUint64Array(sliceTensor(new Uint8Array(bias.buffer), [3], 8, kept, 0).buffer)]).toEqual(
      [10n, 30n],
    );
  });

  it("reads data that is not aligned to its elements", () => {
    const bytes = new Uint8Array(13);
    bytes.set(new Uint8Array(Uint32Array.of(1, 2, 3).buffer), 1);
    expect([...new Uint32Array(sliceTensor(bytes.subarray(1), [1, 3], 4, kept, 1).buffer)]).toEqual([1, 3]);
  });

  it("refuses a tensor of three axes", () => {
    expect(() => sliceTensor(new Uint8Array(8), [2, 2, 2], 1, kept, 0)).toThrow(
      "sliceTensor: expected a vector or matrix with an axis 0, got shape [2, 2, 2].",
    );
  });
});

describe("padTensor", () => {
  it("adds zero rows or columns at the end", () => {
    const matrix = Uint8Array.of(1, 2, 3, 4); // [2, 2]
    expect([...padTensor(matrix, [2, 2], 1, 3, 0)]).toEqual([1, 2, 3, 4, 0, 0]);
    expect([...padTensor(matrix, [2, 2], 1, 3, 1)]).toEqual([1, 2, 0, 3, 4, 0]);
    expect([...padTensor(matrix, [4], 1, 6, 0)]).toEqual([1, 2, 3, 4, 0, 0]);
  });
});

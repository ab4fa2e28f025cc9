import { describe, expect, it } from "vitest";
import { createGlobalAllocation, createUniformAllocation } from "./allocation.js";

const scores = [Float64Array.of(9, 8, 1, 1), Float64Array.of(7, 6, 5, 4)];

describe("uniform allocation", () => {
  it("gives every layer the same width", () => {
    expect(createUniformAllocation().allocate({ scores, width: 2, roundTo: 1 })).toEqual([2, 2]);
  });
});

describe("global allocation", () => {
  const global = createGlobalAllocation();

  it("keeps the best neurons of all layers", () => {
    expect(global.allocate({ scores, width: 2, roundTo: 1 })).toEqual([2, 2]); // 9 8 7 6
    expect(global.allocate({ scores, width: 3, roundTo: 1 })).toEqual([2, 4]); // 9 8 7 6 5 4
  });

  it("keeps whole multiples and the budget", () => {
    expect(global.allocate({ scores, width: 2, roundTo: 2 })).toEqual([2, 2]);
    const steep = [Float64Array.of(9, 8, 7, 6), Float64Array.of(3, 2, 1, 1), Float64Array.of(5, 5, 5, 5)];
    expect(global.allocate({ scores: steep, width: 2, roundTo: 2 })).toEqual([2, 2, 2]); // one chunk each fills the budget
    const wide = steep.map((s) => Float64Array.of(...s, ...s.map((v) => v / 10)));
    expect(global.allocate({ scores: wide, width: 4, roundTo: 2 })).toEqual([4, 4, 4]);
  });

  it("leaves no layer without neurons", () => {
    const flat = [Float64Array.of(9, 9, 9), Float64Array.of(0, 0, 0)];
    expect(global.allocate({ scores: flat, width: 2, roundTo: 1 })).toEqual([3, 1]);
  });

  it("refuses a budget below one multiple for each layer", () => {
    expect(() => global.allocate({ scores, width: 1, roundTo: 4 })).toThrow(
      'allocation "global": 2 neurons in all are fewer than one multiple of 4 for each of 2 layers.',
    );
  });
});

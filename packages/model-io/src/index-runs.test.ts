import { expect, it } from "vitest";
import { indexRuns } from "./index-runs.js";

it("cuts rising indices into runs that rise by one", () => {
  expect([...indexRuns(Int32Array.of(0, 1, 2, 5, 7, 8))]).toEqual([
    { start: 0, end: 3, first: 0 },
    { start: 3, end: 4, first: 5 },
    { start: 4, end: 6, first: 7 },
  ]);
  expect([...indexRuns(new Int32Array(0))]).toEqual([]);
});

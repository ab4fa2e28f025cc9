import { describe, expect, it } from "vitest";
import { rollingWindows } from "./rolling-windows.js";

const BOS = -100;

describe("rollingWindows", () => {
  // Of lm-eval's get_rolling_token_windows and make_disjoint_window.
  it.each([
    [10, [[[BOS], [0, 1, 2, 3]], [[3], [4, 5, 6, 7]], [[5, 6, 7], [8, 9]]]], // prettier-ignore
    [9, [[[BOS], [0, 1, 2, 3]], [[3], [4, 5, 6, 7]], [[4, 5, 6, 7], [8]]]], // prettier-ignore
    [4, [[[BOS], [0, 1, 2, 3]]]],
    [3, [[[BOS], [0, 1, 2]]]],
    [0, []],
  ])("cuts %i tokens into windows of 4 as lm-eval does", (numTokens, expected) => {
    const ids = Array.from({ length: numTokens }, (_, i) => i);
    const windows = rollingWindows(ids, BOS, 4);
    expect(windows.map(({ context, continuation }) => [context, continuation])).toEqual(expected);
  });

  it("never needs more input than the model takes", () => {
    for (const maxLength of [1, 2, 7]) {
      for (const { context, continuation } of rollingWindows([...Array(23).keys()], BOS, maxLength)) {
        expect(context.length + continuation.length - 1).toBeLessThanOrEqual(maxLength);
      }
    }
  });
});

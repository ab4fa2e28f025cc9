import { describe, expect, it } from "vitest";
import { suggestNames } from "./suggest.js";

const known = ["magnitude", "taylor", "wanda", "random", "self-distillation"];

describe("suggestNames", () => {
  it.each([
    ["magnitud", ["magnitude"]],
    ["Magnitude", ["magnitude"]],
    ["tailor", ["taylor"]],
    ["wadna", ["wanda"]],
    ["self", ["self-distillation"]],
    ["selfdistilation", ["self-distillation"]],
  ])("for %s suggests %j", (name, expected) => {
    expect(suggestNames(name, known)).toEqual(expected);
  });

  it("suggests nothing where nothing is near", () => {
    expect(suggestNames("gradient", known)).toEqual([]);
    expect(suggestNames("x", [])).toEqual([]);
  });

  it("puts the nearest first, at most three", () => {
    expect(suggestNames("abcd", ["abzz", "abcz", "abcd1", "abzd", "zzzz"])).toEqual([
      "abcd1",
      "abcz",
      "abzd",
    ]);
  });
});

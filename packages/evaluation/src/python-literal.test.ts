import { describe, expect, it } from "vitest";
import { parsePythonLiteral } from "./python-literal.js";
import { pythonRepr } from "./python-text.js";

describe("parsePythonLiteral", () => {
  it("reads what repr writes", () => {
    const value = [
      { question: "it's “x”\n", answer: "B", options: ['a "b"', "c\\d", "'\"", "\x7f"] },
      -1.5e-7,
      null,
      true,
    ];
    expect(parsePythonLiteral(pythonRepr(value), "x")).toEqual(value);
  });

  it("reads tuples, trailing commas, joined strings, escapes and JSON's words", () => {
    expect(
      parsePythonLiteral(String.raw`('a' "b", [1,], "\x41\u00e9\U0001F600\'\q", true, null, False)`, "x"),
    ).toEqual(["ab", [1], "Aé😀'\\q", true, null, false]);
  });

  it.each([
    ["[1, 2", 'x: expected "," at character 6 of a Python literal, got its end.'],
    ["'abc", "x: expected the closing ' at character 6 of a Python literal, got its end."],
    ["[f(1)]", 'x: expected a value at character 2 of a Python literal, got "f(1)]".'],
    ["[1] 2", 'x: expected the end at character 5 of a Python literal, got "2".'],
    ["{1: 2}", 'x: expected a string as key at character 3 of a Python literal, got ": 2}".'],
  ])("refuses %s, saying where", (text, message) => {
    expect(() => parsePythonLiteral(text, "x")).toThrow(message);
  });
});

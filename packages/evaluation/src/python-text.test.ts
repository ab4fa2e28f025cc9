import { describe, expect, it } from "vitest";
import {
  codePointLength,
  pythonCapitalize,
  pythonFloat,
  pythonRepr,
  pythonRightStrip,
  pythonStrip,
  pythonWords,
} from "./python-text.js";

// Expected values: CPython 3.11.
describe("Python's strings", () => {
  it("strip Python's white space: U+0085 and U+001C are, U+FEFF is not", () => {
    expect(pythonStrip("\x1c\x85 a\ufeff \u3000\n")).toBe("a\ufeff");
    expect(pythonRightStrip(" a \t")).toBe(" a");
  });

  it("split into words with an empty one at each white end", () => {
    expect(pythonWords(" a  b\n")).toEqual(["", "a", "b", ""]);
    expect(pythonWords("a\ufeffb")).toEqual(["a\ufeffb"]);
  });

  it("capitalize the first character and lower the rest", () => {
    expect(pythonCapitalize("the MAN")).toBe("The man");
    expect(pythonCapitalize("")).toBe("");
    expect(pythonCapitalize("éA")).toBe("Éa");
  });

  it("count code points", () => {
    expect(codePointLength("a😀é")).toBe(3);
  });

  it.each([
    [-5, "-5.0"],
    [0.1, "0.1"],
    [1e-5, "1e-05"],
    [0.0001, "0.0001"],
    [-1.5e-7, "-1.5e-07"],
    [1e16, "1e+16"],
    [123456789012345.6, "123456789012345.6"],
    [-0, "-0.0"],
    [-Infinity, "-inf"],
    [NaN, "nan"],
    [1.2345e100, "1.2345e+100"],
  ])("print the float %d as %s", (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });

  it("print values as repr does", () => {
    expect(pythonRepr(["it's", 'a "b"', 1, 2.5, true, null, { k: "\n\\" }])).toBe(
      `["it's", 'a "b"', 1, 2.5, True, None, {'k': '\\n\\\\'}]`,
    );
    expect(pythonRepr(`'"`)).toBe(`'\\'"'`);
  });
});

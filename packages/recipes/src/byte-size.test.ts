import { UsageError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { formatByteSize, parseByteSize } from "./byte-size.js";

describe("parseByteSize", () => {
  it.each([
    ["4GiB", 4 * 2 ** 30],
    ["1.5 gib", 1.5 * 2 ** 30],
    ["512MiB", 512 * 2 ** 20],
    ["800MB", 800e6],
    [" 3gb ", 3e9],
    ["7b", 7],
  ])("reads %s", (text, bytes) => expect(parseByteSize(text, "memory")).toBe(bytes));

  it.each(["", "4", "GiB", "-1GiB", "0GiB", "4 GiB GiB", "4XiB", "1e3GiB", "4G"])("refuses %j", (text) => {
    expect(() => parseByteSize(text, "memory")).toThrow(UsageError);
    expect(() => parseByteSize(text, "memory")).toThrow(
      `memory: expected a size such as 4GiB or 800MB, got "${text}".`,
    );
  });
});

describe("formatByteSize", () => {
  it("rounds up to what a person wants to know", () => {
    expect([1, 2 ** 20, 1023.5 * 2 ** 20, 2 ** 30, 3.14 * 2 ** 30].map(formatByteSize)).toEqual([
      "1 MiB",
      "1 MiB",
      "1024 MiB",
      "1.0 GiB",
      "3.2 GiB",
    ]);
  });
});

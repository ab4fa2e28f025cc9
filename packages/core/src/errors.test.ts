import { describe, expect, it } from "vitest";
import {
  ConfigError,
  errorMessage,
  FormatError,
  InterruptedError,
  isSdmPruneError,
  RegistryError,
  SdmPruneError,
  UsageError,
} from "./errors.js";

describe("SdmPruneError", () => {
  it("carries the name of its class and its cause", () => {
    const cause = new Error("disk full");
    const error = new FormatError("a.json: expected JSON.", { cause });
    expect(error.name).toBe("FormatError");
    expect(error.message).toBe("a.json: expected JSON.");
    expect(error.cause).toBe(cause);
    expect(error).toBeInstanceOf(SdmPruneError);
  });

  it("has no cause property where there is none", () => {
    expect("cause" in new SdmPruneError("x")).toBe(false);
  });

  it("ends a program with 1, wrong usage with 2, an interrupt with 130", () => {
    expect(new FormatError("x").exitCode).toBe(1);
    expect([UsageError, RegistryError, ConfigError].map((type) => new type("x").exitCode)).toEqual([2, 2, 2]);
    expect(new InterruptedError("x").exitCode).toBe(130);
  });
});

describe("isSdmPruneError", () => {
  it("knows errors of another copy of the package by their brand", () => {
    const foreign = Object.assign(new Error("x"), { [Symbol.for("@sdmprune/core/error")]: true });
    expect(isSdmPruneError(foreign)).toBe(true);
    expect(isSdmPruneError(new SdmPruneError("x"))).toBe(true);
  });

  it.each([new Error("x"), "x", null, undefined, {}])("does not take %s for one", (value) => {
    expect(isSdmPruneError(value)).toBe(false);
  });

  it("brands in a way that does not show when the error is printed", () => {
    expect(Object.keys(new SdmPruneError("x"))).not.toContain("@sdmprune/core/error");
    expect(Object.getOwnPropertySymbols({ ...new SdmPruneError("x") })).toEqual([]);
  });
});

describe("errorMessage", () => {
  it("puts a message of several lines into one", () => {
    expect(errorMessage(new Error("first\n   second\n\nthird"))).toBe("first second third");
  });

  it("takes out what would steer a terminal", () => {
    expect(errorMessage(new Error("a\rb\u001b[31mc\u2028d"))).toBe("a b [31mc d");
  });

  it("takes anything that can be thrown", () => {
    expect(errorMessage("text")).toBe("text");
    expect(errorMessage(undefined)).toBe("undefined");
    expect(errorMessage(12)).toBe("12");
  });
});

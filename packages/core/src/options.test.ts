import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "./errors.js";
import { parseOptions } from "./options.js";

const schema = z.strictObject({
  alpha: z.number().min(0).max(1).default(0.4),
  tau: z.number().positive().default(0.2),
  reduction: z.enum(["mean", "sum"]).default("mean"),
  layers: z.array(z.int().min(0)).min(1).optional(),
  nested: z.object({ depth: z.number() }).optional(),
});

describe("parseOptions", () => {
  it("fills in defaults", () => {
    expect(parseOptions("x", schema, {})).toEqual({ alpha: 0.4, tau: 0.2, reduction: "mean" });
  });

  it("reports every problem at once, with the key and the value", () => {
    expect(() => parseOptions('importance "x"', schema, { alpha: 2, tau: 0, reduction: "mena" })).toThrow(
      new ConfigError(
        'importance "x": "alpha": expected at most 1, got 2; "tau": expected more than 0, got 0; ' +
          '"reduction": expected "mean" or "sum", got "mena" (did you mean "mean"?).',
      ),
    );
  });

  it.each([
    [{ alhpa: 1 }, 'x: unknown key "alhpa" (did you mean "alpha"?).'],
    [{ q: 1 }, 'x: unknown key "q", available: alpha, tau, reduction, layers, nested.'],
    [{ alpha: "high" }, 'x: "alpha": expected number, got "high".'],
    [{ alpha: null }, 'x: "alpha": expected number, got null.'],
    [{ alpha: NaN }, 'x: "alpha": expected number, got NaN.'],
    [{ layers: [] }, 'x: "layers": expected at least 1 element(s), got a list of 0.'],
    [{ layers: [0, -1] }, 'x: "layers.1": expected at least 0, got -1.'],
    [{ nested: {} }, 'x: "nested.depth": expected number, got nothing.'],
    [{ tau: { value: 1 } }, 'x: "tau": expected number, got an object.'],
    [{ alpha: [1] }, 'x: "alpha": expected number, got a list of 1.'],
    ["text", 'x: expected object, got "text".'],
  ])("for %j says %s", (value, message) => {
    expect(() => parseOptions("x", schema, value)).toThrow(new ConfigError(message));
  });

  it("shortens a long value", () => {
    expect(() => parseOptions("x", schema, { alpha: "y".repeat(200) })).toThrow(/got "y{57}"\.\.\.\.$/);
  });

  it("keeps the message of a check of the schema's own", () => {
    const even = z.number().refine((n) => n % 2 === 0, "expected an even number");
    expect(() => parseOptions("x", z.object({ n: even }), { n: 3 })).toThrow(
      'x: "n": expected an even number, got 3.',
    );
  });
});

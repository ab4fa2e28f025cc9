import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.js";
import { configSchema, defineConfig } from "./config-schema.js";
import { parseConfig, snakeCase } from "./parse-config.js";

describe("configSchema", () => {
  it.each(Object.entries(configSchema.shape))(
    "describes %s with its default, and does not require it",
    (_, field) => {
      expect(field.description).toMatch(/[Dd]efault/);
      expect(field.description).toMatch(/^[A-Z].*\.$/);
      expect(field.safeParse(undefined).success).toBe(true);
    },
  );

  it("spells every key once in each format", () => {
    const keys = Object.keys(configSchema.shape);
    expect(new Set(keys.map(snakeCase)).size).toBe(keys.length);
    expect(keys.map(snakeCase)).toContain("method_options");
  });
});

describe("parseConfig", () => {
  it("takes camelCase keys by default and snake_case ones for YAML", () => {
    const config = defineConfig({ pruningRatio: 0.3, ratioOf: "mlp", wandaPropagate: true });
    expect(parseConfig(config, "c.ts")).toEqual(config);
    const yaml = { pruning_ratio: 0.3, ratio_of: "mlp", wanda_propagate: true };
    expect(parseConfig(yaml, "c.yaml", "snake_case")).toEqual(config);
  });

  it("adds no defaults: those are the recipe's", () => {
    expect(parseConfig({}, "c.ts")).toEqual({});
  });

  it("collects all problems in the file's own spelling", () => {
    const yaml = { pruning_ration: 0.3, nsamples: 0, ratio_of: "mpl", plugins: ["./a.ts", 3], round_to: 1.5 };
    expect(() => parseConfig(yaml, "c.yaml", "snake_case")).toThrow(
      new ConfigError(
        'c.yaml: unknown key "pruning_ration" (did you mean "pruning_ratio"?); ' +
          '"ratio_of": expected "total" or "non-embedding" or "mlp", got "mpl" (did you mean "mlp"?); ' +
          '"round_to": expected int, got 1.5; ' +
          '"nsamples": expected at least 1, got 0; ' +
          '"plugins.1": expected string, got 3.',
      ),
    );
  });

  it("knows the other format's spelling for a slip", () => {
    expect(() => parseConfig({ round_to: 8 }, "c.ts")).toThrow(
      'c.ts: unknown key "round_to" (did you mean "roundTo"?).',
    );
  });

  it("refuses two targets", () => {
    expect(() => parseConfig({ pruning_ratio: 0.2, width: 64 }, "c.yaml", "snake_case")).toThrow(
      'c.yaml: "pruning_ratio" and "width": give one of them, not both.',
    );
  });

  it.each([[null], [[]], ["text"], [undefined]])("refuses %j, which is no object", (raw) => {
    expect(() => parseConfig(raw, "c.yaml")).toThrow(/^c\.yaml: expected an object of options, got /);
  });
});

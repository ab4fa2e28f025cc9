import { ConfigError, type Registry } from "@sdmprune/core";
import { describe, expect, it } from "vitest";

/** What the contract reads of a zod object schema, of whatever copy of zod. */
interface ObjectSchema {
  readonly shape: Readonly<Record<string, OptionSchema>>;
}

interface OptionSchema {
  readonly description?: string;
  safeParse(value: unknown): { readonly success: boolean };
}

/** What is registered says what it is, and which options it has. */
export function describeOptions(registry: Registry<unknown>): void {
  for (const { name, description, options } of registry.entries()) {
    describe(`${registry.extensionPoint} "${name}"`, () => {
      it("has a description of one line", () => {
        expect(description).toMatch(/^\S.*\S$/);
      });

      if (!options) return;
      const { shape } = options as unknown as ObjectSchema;

      it("has options that are keys of an object", () => {
        expect(Object.keys(shape ?? {})).not.toEqual([]);
      });

      it.each(Object.entries(shape))("describes its option %s and gives it a default", (_key, option) => {
        expect(option.description).toMatch(/^\S.*\S$/);
        expect(option.safeParse(undefined).success).toBe(true);
      });

      it("refuses an option that it does not have", async () => {
        await expect(registry.create(name, { "no such option": 1 })).rejects.toThrow(ConfigError);
      });
    });
  }
}

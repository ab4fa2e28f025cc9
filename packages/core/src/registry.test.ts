import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError, RegistryError } from "./errors.js";
import { Registry } from "./registry.js";

function fruits(): Registry<string> {
  const registry = new Registry<string>("fruit");
  registry.withOrigin('plugin "orchard"', () => {
    registry.register("apple", () => "an apple", { aliases: ["malus"], description: "Round." });
    registry.register("pear", async () => "a pear");
  });
  return registry;
}

describe("Registry", () => {
  it("makes an instance by name or alias, from factories that wait and factories that do not", async () => {
    expect(await fruits().create("apple")).toBe("an apple");
    expect(await fruits().create("malus")).toBe("an apple");
    expect(await fruits().create("pear")).toBe("a pear");
  });

  it("calls a factory at creation, not at registration, and each time", async () => {
    let calls = 0;
    const registry = new Registry<number>("counter");
    registry.register("count", () => ++calls);
    expect(calls).toBe(0);
    expect([await registry.create("count"), await registry.create("count")]).toEqual([1, 2]);
  });

  it("lists names and entries in order of registration, with who registered them", () => {
    const registry = fruits();
    expect(registry.names()).toEqual(["apple", "pear"]);
    expect(registry.entries()[0]).toMatchObject({
      name: "apple",
      origin: 'plugin "orchard"',
      description: "Round.",
    });
    expect([registry.has("malus"), registry.has("plum")]).toEqual([true, false]);
  });

  it("shows both origins when a name is taken", () => {
    const registry = fruits();
    expect(() => registry.withOrigin('plugin "garden"', () => registry.register("apple", () => ""))).toThrow(
      new RegistryError(
        'fruit "apple" is already registered by plugin "orchard"; plugin "garden" cannot register it again. Rename one of them.',
      ),
    );
  });

  it("refuses an alias that is a taken name, a name that is a taken alias, and one name twice", () => {
    const registry = fruits();
    expect(() => registry.register("malus", () => "")).toThrow('fruit "malus" is already registered');
    expect(() => registry.register("quince", () => "", { aliases: ["pear"] })).toThrow(
      'fruit "pear" is already',
    );
    expect(() => registry.register("fig", () => "", { aliases: ["fig"] })).toThrow('fruit "fig" is already');
    expect(registry.names()).toEqual(["apple", "pear"]);
  });

  it.each(["", "two words", "-x", "../x"])("refuses the malformed name %j", (name) => {
    expect(() => fruits().register(name, () => "")).toThrow(/a name is letters, digits/);
  });

  it("suggests the nearest names for an unknown one, aliases too, and lists what there is", () => {
    expect(() => fruits().entry("aple")).toThrow(
      new RegistryError('Unknown fruit "aple". Did you mean "apple"? Available: apple, pear.'),
    );
    expect(() => fruits().entry("maluss")).toThrow('Did you mean "malus"?');
    expect(() => fruits().entry("zzzzzz")).toThrow('Unknown fruit "zzzzzz". Available: apple, pear.');
    expect(() => new Registry("fruit").entry("x")).toThrow('Unknown fruit "x". Available: none.');
  });

  it("rejects, and does not throw, when an unknown name is created", async () => {
    await expect(fruits().create("plum")).rejects.toThrow(RegistryError);
  });

  it("checks options against the schema and fills in its defaults", async () => {
    const registry = new Registry<number>("power");
    const options = z.strictObject({ base: z.number(), exponent: z.number().default(2) });
    registry.register("power", ({ base, exponent }: z.output<typeof options>) => base ** exponent, {
      options,
    });
    expect(await registry.create("power", { base: 3 })).toBe(9);
    await expect(registry.create("power", { bas: 3 })).rejects.toThrow(
      new ConfigError(
        'power "power": "base": expected number, got nothing; unknown key "bas" (did you mean "base"?).',
      ),
    );
  });

  it("takes nothing more once frozen", () => {
    const registry = fruits();
    registry.freeze();
    expect(() => registry.register("plum", () => "")).toThrow(
      'fruit "plum": registration is closed once a run has started; register in a plugin\'s register().',
    );
  });

  it("takes back what an origin registered before it failed", () => {
    const registry = fruits();
    const failing = (): void => {
      registry.register("plum", () => "", { aliases: ["prunus"] });
      throw new Error("no");
    };
    expect(() => registry.withOrigin("x", failing)).toThrow("no");
    expect([registry.has("plum"), registry.has("prunus"), registry.has("apple")]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

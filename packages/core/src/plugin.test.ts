import { describe, expect, it } from "vitest";
import { PluginError } from "./errors.js";
import { definePlugin, isPlugin } from "./plugin.js";

describe("definePlugin", () => {
  it("returns a frozen plugin that isPlugin recognises", () => {
    const plugin = definePlugin({ name: "x", register: () => {} });
    expect(isPlugin(plugin)).toBe(true);
    expect(Object.isFrozen(plugin)).toBe(true);
    expect(Object.keys(plugin)).toEqual(["name", "register"]);
  });

  it("refuses a plugin without a name or a register function", () => {
    expect(() => definePlugin({ name: "", register: () => {} })).toThrow(
      new PluginError("definePlugin: expected a name, for example the package's name, got none."),
    );
    expect(() => definePlugin({ name: "x" } as never)).toThrow(
      'definePlugin: plugin "x" needs a function register(registries), got undefined.',
    );
  });
});

describe("isPlugin", () => {
  it("recognises the plugin of another copy of the package, and nothing that only looks like one", () => {
    expect(isPlugin({ name: "x", register() {}, [Symbol.for("@sdmprune/core/plugin")]: true })).toBe(true);
    expect([{ name: "x", register() {} }, null, undefined, "x", () => {}].map(isPlugin)).toEqual(
      Array(5).fill(false),
    );
  });
});

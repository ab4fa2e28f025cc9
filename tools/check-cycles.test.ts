import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { findCycle, runtimeImports } from "./check-cycles.js";

describe("findCycle", () => {
  it("finds a planted cycle and names its files in order", () => {
    const graph = new Map([
      ["index", ["a"]],
      ["a", ["b", "d"]],
      ["b", ["c"]],
      ["c", ["a"]],
      ["d", []],
    ]);
    expect(findCycle(graph)).toEqual(["a", "b", "c", "a"]);
  });

  it("takes two ways to one file for no cycle", () => {
    const graph = new Map([
      ["a", ["b", "c"]],
      ["b", ["d"]],
      ["c", ["d"]],
      ["d", []],
    ]);
    expect(findCycle(graph)).toBeUndefined();
  });
});

describe("runtimeImports", () => {
  it("lists relative imports and re-exports, and leaves out types and packages", () => {
    const text = `
      import { a } from "./a.js";
      import b, { type B } from "../b.js";
      import "./effect.js";
      export { c } from "./c.js";
      export * from "./d.js";
      import type { E } from "./e.js";
      import { type F } from "./f.js";
      export type { G } from "./g.js";
      import { z } from "zod";
      const h = await import("./lazy.js");
    `;
    expect(runtimeImports("/src/x.ts", text)).toEqual(
      ["/src/a.ts", "/b.ts", "/src/effect.ts", "/src/c.ts", "/src/d.ts"].map((path) => resolve(path)),
    );
  });
});

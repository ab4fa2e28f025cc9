// Plain JavaScript, outside src/, because it must run before anything can load TypeScript.
import { register } from "node:module";

const STATE = Symbol.for("sdmprune/host-hooks");

/**
 * Registers, once per process, the hooks that let plugins live anywhere: `@sdmprune/*` resolves to the host's own
 * packages, and with `tsconfig` (a path, or `true` for no config) TypeScript files can be imported.
 *
 * @param {{ conditions?: string[], tsconfig?: string | true }} options - `conditions`: further export conditions.
 */
export async function registerHostHooks({ conditions = [], tsconfig } = {}) {
  const state = (globalThis[STATE] ??= { resolves: false, loadsTypeScript: false });
  if (tsconfig !== undefined && !state.loadsTypeScript) {
    state.loadsTypeScript = true;
    const tsx = await import("tsx/esm/api");
    tsx.register({ tsconfig: tsconfig === true ? false : tsconfig });
  }
  if (!state.resolves) {
    state.resolves = true;
    // Relative to this file, which belongs to the host: what it can import is the host's copy.
    register("./resolve-hook.js", {
      parentURL: import.meta.url,
      data: { host: import.meta.url, conditions },
    });
  }
}

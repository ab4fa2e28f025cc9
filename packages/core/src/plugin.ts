import type { Registries } from "./host.js";

const BRAND = Symbol.for("@sdmprune/core/plugin");

export interface Plugin {
  /** The plugin's package name, or any unique name for a plugin in one file. */
  readonly name: string;
  /** Adds extensions to the registries. Synchronous; loads heavy code lazily in the factories it registers. */
  register(registries: Registries): void;
}

/** Marks an object as a plugin. A plugin file exports the result as default and does nothing else at import. */
export function definePlugin(plugin: Plugin): Plugin {
  return Object.freeze(Object.defineProperty({ ...plugin }, BRAND, { value: true }));
}

/** Whether `value` came from {@link definePlugin}, of this copy of the package or another. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

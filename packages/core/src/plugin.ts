import { PluginError } from "./errors.js";
import type { Registries } from "./host.js";

const BRAND = Symbol.for("@sdmprune/core/plugin");

export interface Plugin {
  /** The plugin's package name, or any unique name for a plugin in one file. */
  readonly name: string;
  /** Adds extensions to the registries. Synchronous; loads heavy code lazily in the factories it registers. */
  register(registries: Registries): void;
}

/**
 * Marks an object as a plugin. A plugin file exports the result as default and does nothing else at import.
 *
 * @throws {PluginError} If the name is empty or `register` is no function.
 */
export function definePlugin(plugin: Plugin): Plugin {
  if (typeof plugin.name !== "string" || plugin.name === "") {
    throw new PluginError("definePlugin: expected a name, for example the package's name, got none.");
  }
  if (typeof plugin.register !== "function") {
    throw new PluginError(
      `definePlugin: plugin "${plugin.name}" needs a function register(registries), got ${typeof plugin.register}.`,
    );
  }
  return Object.freeze(Object.defineProperty({ ...plugin }, BRAND, { value: true }));
}

/** Whether `value` came from {@link definePlugin}, of this copy of the package or another. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

import type { z } from "zod";
import { RegistryError } from "./errors.js";
import { parseOptions } from "./options.js";
import { suggestNames } from "./suggest.js";

/** Makes one instance of an extension; called once per run, so that state of a run lives in the instance. */
export type Factory<T> = (options: never) => T | Promise<T>;

export interface RegistrationMeta {
  /** One sentence of what it is, shown by `sdmprune ls`. */
  description?: string;
  /** Further names under which it is found. */
  aliases?: readonly string[];
  /** Schema of its options. Every field has `.describe(…)` and a default. */
  options?: z.ZodType;
}

export interface RegistryEntry<T> extends RegistrationMeta {
  readonly name: string;
  /** Which plugin registered it. */
  readonly origin: string;
  readonly create: Factory<T>;
}

/**
 * The named extensions of one extension point. A taken name is an error that shows both origins,
 * an unknown name is an error that suggests the nearest.
 */
export class Registry<T> {
  #entries = new Map<string, RegistryEntry<T>>();
  #aliases = new Map<string, string>();
  #frozen = false;
  #origin = "(no plugin)";

  /** @param extensionPoint - The singular word for what is registered here, for example `importance`. */
  constructor(readonly extensionPoint: string) {}

  /**
   * Adds an extension. `create` may load its code lazily: `async () => (await import("./x.js")).createX()`.
   *
   * @throws {RegistryError} If the name or an alias is malformed or taken, or the registry is frozen.
   */
  register<O = never>(
    name: string,
    create: (options: O) => T | Promise<T>,
    meta: RegistrationMeta = {},
  ): void {
    if (this.#frozen) {
      throw new RegistryError(
        `${this.extensionPoint} "${name}": registration is closed once a run has started; register in a plugin's register().`,
      );
    }
    const names = [name, ...(meta.aliases ?? [])];
    for (const [i, n] of names.entries()) {
      if (!/^[a-z0-9][a-z0-9._-]*$/i.test(n)) {
        throw new RegistryError(
          `${this.extensionPoint} "${n}" (from ${this.#origin}): a name is letters, digits, ".", "_" and "-" and starts with a letter or digit.`,
        );
      }
      const taken = this.#find(n);
      if (taken || names.indexOf(n) !== i) {
        throw new RegistryError(
          `${this.extensionPoint} "${n}" is already registered by ${taken?.origin ?? this.#origin}; ${this.#origin} cannot register it again. Rename one of them.`,
        );
      }
    }
    this.#entries.set(name, { ...meta, name, origin: this.#origin, create: create });
    for (const alias of meta.aliases ?? []) this.#aliases.set(alias, name);
  }

  /** @throws {RegistryError} If nothing has this name. */
  entry(name: string): RegistryEntry<T> {
    const found = this.#find(name);
    if (found) return found;
    const known = [...this.#entries.keys()];
    const near = suggestNames(name, [...known, ...this.#aliases.keys()]);
    const hint = near.length > 0 ? ` Did you mean ${near.map((n) => `"${n}"`).join(" or ")}?` : "";
    throw new RegistryError(
      `Unknown ${this.extensionPoint} "${name}".${hint} Available: ${known.length > 0 ? known.join(", ") : "none"}.`,
    );
  }

  /**
   * Makes an instance, after checking `options` against the extension's schema.
   *
   * @throws {RegistryError} If nothing has this name.
   * @throws {ConfigError} If the options do not fit.
   */
  async create(name: string, options: Record<string, unknown> = {}): Promise<T> {
    const entry = this.entry(name);
    const where = `${this.extensionPoint} "${entry.name}"`;
    const parsed = entry.options ? parseOptions(where, entry.options, options) : options;
    return entry.create(parsed as never);
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** The entries in order of registration. */
  entries(): readonly RegistryEntry<T>[] {
    return [...this.#entries.values()];
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Closes the registry: whatever is registered later is an error. */
  freeze(): void {
    this.#frozen = true;
  }

  /**
   * Runs `body` with everything it registers here attributed to `origin`; if it throws, what it registered is
   * taken back. The host calls this.
   */
  withOrigin<R>(origin: string, body: () => R): R {
    const before = { origin: this.#origin, entries: [...this.#entries], aliases: [...this.#aliases] };
    this.#origin = origin;
    try {
      return body();
    } catch (error) {
      this.#entries = new Map(before.entries);
      this.#aliases = new Map(before.aliases);
      throw error;
    } finally {
      this.#origin = before.origin;
    }
  }

  #find(name: string): RegistryEntry<T> | undefined {
    return this.#entries.get(this.#aliases.get(name) ?? name);
  }
}

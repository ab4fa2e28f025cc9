import { ConfigError, parseOptions, type RegistryEntry, type Run } from "@sdmprune/core";
import type { ImportanceCriterion } from "@sdmprune/importance";

/** Options by name, as a user may give them. */
export type Options = Readonly<Record<string, unknown>>;

/** A registered importance with these options. One whose options have a `seed` gets the run's unless told otherwise. */
export async function createCriterion(
  run: Run,
  name: string,
  options: Options = {},
): Promise<ImportanceCriterion> {
  return run.registries.importances.create(name, seeded(run, name, options));
}

/** The options of a criterion in full: with defaults, and with the run's seed where it has one. */
export function criterionOptions(run: Run, name: string, options: Options = {}): Options {
  return resolveOptions("importance", run.registries.importances.entry(name), seeded(run, name, options));
}

function seeded(run: Run, name: string, options: Options): Options {
  const isSeeded = optionNames(run.registries.importances.entry(name)).includes("seed");
  return isSeeded ? { seed: run.seed, ...options } : options;
}

/**
 * Options in full, with the defaults of those not given: what a manifest records.
 *
 * @throws {ConfigError} If they do not fit the extension's schema.
 */
export function resolveOptions(point: string, entry: RegistryEntry<unknown>, options: Options = {}): Options {
  const given = Object.keys(options);
  if (!entry.options && given.length > 0) {
    throw new ConfigError(`${point} "${entry.name}": expected no options, got ${given.join(", ")}.`);
  }
  if (!entry.options) return {};
  return parseOptions(`${point} "${entry.name}"`, entry.options, options) as Options;
}

/** Names of the options that an extension has. */
export function optionNames({ options }: RegistryEntry<unknown>): readonly string[] {
  return Object.keys((options as { shape?: object } | undefined)?.shape ?? {});
}

/** Whether a criterion looks at data at all. */
export function needsSamples({ needs }: ImportanceCriterion): boolean {
  return needs.activations === true || needs.gradients !== undefined;
}

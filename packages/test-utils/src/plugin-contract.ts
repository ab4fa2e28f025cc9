import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXTENSION_POINTS, Host, PluginError, type Plugin } from "@sdmprune/core";
import { importancePlugin } from "@sdmprune/importance";
import type { RawConfig } from "@sdmprune/models/families";
import { pruningPlugin } from "@sdmprune/pruning";
import { tensorPlugin } from "@sdmprune/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { activateCpuBackend } from "./activate-backend.js";
import { describeAllocation } from "./plugin-contract/allocation-contract.js";
import { describeBackend } from "./plugin-contract/backend-contract.js";
import { describeImportance } from "./plugin-contract/importance-contract.js";
import { describeMethod } from "./plugin-contract/method-contract.js";
import { describeModel } from "./plugin-contract/model-contract.js";
import { describeOptions } from "./plugin-contract/options-contract.js";

export interface PluginContractOptions {
  /** Folder of the plugin's package: package.json and README are looked at. Left out for a plugin in one file. */
  readonly packageFolder?: string;
  /** Makes an engine active, on which criteria, methods and models run. Default: the plain JavaScript one. */
  readonly activate?: () => Promise<void>;
  /** For every model family of the plugin, by its name: the config.json of a small model. */
  readonly modelConfigs?: Readonly<Record<string, RawConfig>>;
}

/**
 * Tests that hold for every plugin, of ours and of anybody: it registers once, says what its extensions and their
 * options are, and each extension does what its extension point promises, on a tiny Llama. Call it at the top of
 * a test file.
 */
export function describePluginContract(
  plugin: Plugin,
  { packageFolder, activate = activateCpuBackend, modelConfigs = {} }: PluginContractOptions = {},
): void {
  describe(`plugin ${plugin.name}`, () => {
    const own = new Host().use(plugin);
    const registriesOf = Object.keys(EXTENSION_POINTS).map((point) => own.registry(point));

    it("registers something, once", () => {
      expect(registriesOf.flatMap((registry) => registry.names())).not.toEqual([]);
      const again = () => new Host().use(plugin).use(plugin);
      expect(again).toThrow(PluginError);
      expect(again).toThrow(`Plugin "${plugin.name}" is already registered.`);
    });

    it("registers the same in every host", () => {
      const names = (host: Host) =>
        Object.keys(EXTENSION_POINTS).map((point) => host.registry(point).names());
      expect(names(new Host().use(plugin))).toEqual(names(own));
    });

    for (const registry of registriesOf) describeOptions(registry);
    if (packageFolder !== undefined) describePackage(plugin, packageFolder);

    beforeAll(activate);
    const { registries } = hostWithBuiltIns(plugin);
    for (const name of own.registries.importances.names()) describeImportance(name, registries);
    for (const name of own.registries.allocations.names()) describeAllocation(name, registries);
    for (const name of own.registries.methods.names()) describeMethod(name, registries);
    for (const name of own.registries.models.names()) describeModel(name, registries, modelConfigs[name]);
    for (const name of own.registries.backends.names()) describeBackend(name, own.registries);
  });
}

/** A method may use criteria of ours, and a criterion is tried out by a method and an allocation of ours. */
function hostWithBuiltIns(plugin: Plugin): Host {
  const host = new Host();
  for (const builtIn of [tensorPlugin, importancePlugin, pruningPlugin]) {
    if (builtIn.name !== plugin.name) host.use(builtIn);
  }
  return host.use(plugin);
}

function describePackage(plugin: Plugin, folder: string): void {
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");

  it("has the name of its package", async () => {
    const { name } = JSON.parse(await read("package.json")) as { name: string };
    expect(plugin.name).toBe(name);
  });

  it("has a README with its name, how to install it, and an example", async () => {
    const readme = await read("README.md");
    expect(readme).toMatch(new RegExp(`^# ${plugin.name}$`, "m"));
    expect(readme).toContain(`npm install ${plugin.name}`);
    expect(readme).toMatch(/^```ts\n[\s\S]+?^```$/m);
  });
}

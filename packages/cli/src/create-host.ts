import { Host } from "@sdmprune/core";
import backendOnnx from "@sdmprune/backend-onnx";
import { evaluationPlugin } from "@sdmprune/evaluation";
import { importancePlugin } from "@sdmprune/importance";
import importanceFlap from "@sdmprune/importance-flap";
import importanceHfprune from "@sdmprune/importance-hfprune";
import importanceMinitron from "@sdmprune/importance-minitron";
import methodCompresso from "@sdmprune/method-compresso";
import methodLlmPruner from "@sdmprune/method-llm-pruner";
import methodLoraPrune from "@sdmprune/method-lora-prune";
import { modelsPlugin } from "@sdmprune/models";
import { pruningPlugin } from "@sdmprune/pruning";
import { tensorPlugin } from "@sdmprune/tensor";
import { loadPlugin } from "./load-plugin.js";

/** What the program comes with. Backends are tried in this order. */
const BUILT_IN = [
  backendOnnx,
  tensorPlugin,
  modelsPlugin,
  importancePlugin,
  pruningPlugin,
  evaluationPlugin,
  importanceHfprune,
  importanceFlap,
  importanceMinitron,
  methodLlmPruner,
  methodLoraPrune,
  methodCompresso,
];

/**
 * A host with the built-in plugins and those the user named.
 *
 * @param plugins - Files (`./x.ts`) or package names.
 * @throws {PluginError} If one cannot be loaded or registered.
 */
export async function createHost(plugins: readonly string[] = []): Promise<Host> {
  const host = new Host();
  for (const plugin of BUILT_IN) host.use(plugin);
  for (const plugin of plugins) host.use(await loadPlugin(plugin));
  return host;
}

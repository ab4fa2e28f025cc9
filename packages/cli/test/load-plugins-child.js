// Loads plugins as the program does, in a process of its own: node load-plugins-child.js <cwd> <spec>…
// Prints one JSON array: a plugin's name and what it saw of the host's packages, or the error's message.
import { fileURLToPath } from "node:url";
import { registerHostHooks } from "../bin/host-hooks.js";

await registerHostHooks({
  conditions: ["@sdmprune/source"],
  tsconfig: fileURLToPath(new URL("../../../tsconfig.base.json", import.meta.url)),
});
const core = await import("@sdmprune/core");
const { loadPlugin } = await import("../src/load-plugin.ts");

const [cwd, ...specs] = process.argv.slice(2);
const results = [];
for (const spec of specs) {
  delete globalThis.seenByPlugin;
  try {
    const plugin = await loadPlugin(spec, { cwd });
    const host = new core.Host().use(plugin);
    const seen = globalThis.seenByPlugin;
    results.push({
      name: plugin.name,
      names: host.registries.importances.names(),
      isSameCore: seen === core.Host,
    });
  } catch (error) {
    results.push({ error: error.message, name: error.name, hasCause: error.cause !== undefined });
  }
}
process.stdout.write(JSON.stringify(results));

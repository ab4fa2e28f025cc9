// Prints the config found in a folder: node load-config-child.js <folder>
import { fileURLToPath } from "node:url";
import { registerHostHooks } from "../bin/host-hooks.js";

await registerHostHooks({
  conditions: ["@sdmprune/source"],
  tsconfig: fileURLToPath(new URL("../../../tsconfig.base.json", import.meta.url)),
});
const { findConfigFile, loadConfigFile } = await import("../src/load-config.ts");
process.stdout.write(JSON.stringify(await loadConfigFile(findConfigFile(process.argv[2]))));

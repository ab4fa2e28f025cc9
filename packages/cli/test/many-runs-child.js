// Runs the program once for each list of arguments, one after another in this process, as its bin does, and prints
// what each gave as JSON. Usage: node many-runs-child.js < [[...argv], ...]
import { fileURLToPath } from "node:url";
import { text } from "node:stream/consumers";
import { registerHostHooks } from "../bin/host-hooks.js";

await registerHostHooks({
  conditions: ["@sdmprune/source"],
  tsconfig: fileURLToPath(new URL("../../../tsconfig.base.json", import.meta.url)),
});
const { main } = await import("../src/main.ts");

const print = process.stdout.write.bind(process.stdout);
const results = [];
for (const argv of JSON.parse(await text(process.stdin))) {
  const result = { code: 0, stdout: "", stderr: "" };
  process.stdout.write = (piece) => (result.stdout += piece) !== "";
  process.stderr.write = (piece) => (result.stderr += piece) !== "";
  result.code = await main(argv);
  results.push(result);
}
print(JSON.stringify(results));

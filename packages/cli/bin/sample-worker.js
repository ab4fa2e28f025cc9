// A thread that computes samples. Runs the compiled program or the source, as sdmprune.js does.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

if (existsSync(new URL("../tsconfig.json", import.meta.url))) {
  const { registerHostHooks } = await import("./host-hooks.js");
  await registerHostHooks({
    conditions: ["@sdmprune/source"],
    tsconfig: fileURLToPath(new URL("../../../tsconfig.base.json", import.meta.url)),
  });
  await run(await import("../src/sample-worker.ts"));
} else {
  await run(await import("../dist/sample-worker.js"));
}

/** @param {{ main(port: import("node:worker_threads").MessagePort | null, plugins: string[]): Promise<void> }} program */
async function run(program) {
  await program.main(parentPort, workerData.plugins);
}

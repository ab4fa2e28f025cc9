#!/usr/bin/env node
// Runs the compiled program; in a checkout of the repository, where tsconfig.json lies beside it, the source.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

if (existsSync(new URL("../tsconfig.json", import.meta.url))) {
  const { registerHostHooks } = await import("./host-hooks.js");
  await registerHostHooks({
    conditions: ["@sdmprune/source"],
    tsconfig: fileURLToPath(new URL("../../../tsconfig.base.json", import.meta.url)),
  });
  await run(await import("../src/main.ts"));
} else {
  await run(await import("../dist/main.js"));
}

/** @param {{ main(argv: string[]): Promise<number> }} program */
async function run(program) {
  process.exitCode = await program.main(process.argv.slice(2));
}

import { Worker } from "node:worker_threads";
import type { StartWorker } from "@sdmprune/recipes";

/** Starts threads that have the built-in plugins and these. */
export function workerStarter(plugins: readonly string[]): StartWorker {
  return () =>
    new Worker(new URL("../bin/sample-worker.js", import.meta.url), {
      workerData: { plugins },
      execArgv: [], // loaders of this thread are not asked for; the file registers its own
    });
}

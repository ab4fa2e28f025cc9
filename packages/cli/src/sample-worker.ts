import type { MessagePort } from "node:worker_threads";
import { serveSamples } from "@sdmprune/recipes";
import { createHost } from "./create-host.js";

/** What runs in a thread of the program: computes samples for the main thread until it is ended. */
export async function main(port: MessagePort, plugins: readonly string[]): Promise<void> {
  serveSamples(await createHost(plugins), port);
}

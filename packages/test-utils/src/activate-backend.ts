import { Host } from "@sdmprune/core";
import { selectBackend, tensorPlugin } from "@sdmprune/tensor";

/** Makes the plain JavaScript engine the active one: slow, and the same everywhere. For `beforeAll`. */
export async function activateCpuBackend(): Promise<void> {
  await selectBackend(new Host().use(tensorPlugin).registries, { name: "cpu" });
}

import { definePlugin, type Plugin } from "@sdmprune/core";

/** Registers the backend `cpu`, the reference on which everything runs, slowly. */
export const tensorPlugin: Plugin = definePlugin({
  name: "@sdmprune/tensor",
  register({ backends }) {
    backends.register("cpu", async () => (await import("./cpu-backend.js")).createCpuBackend(), {
      description:
        "Plain JavaScript (tfjs-backend-cpu): runs anywhere, about a hundred times slower than onnx",
    });
  },
});

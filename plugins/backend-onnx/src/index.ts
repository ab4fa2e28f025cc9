import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/tensor"; // names the extension point

/** Registers the backend `onnx`, the default engine on Node. */
export default definePlugin({
  name: "@sdmprune/backend-onnx",
  register({ backends }) {
    backends.register("onnx", async () => (await import("./onnx-tensor-backend.js")).createOnnxBackend(), {
      description: "ONNX Runtime on the CPU, all cores; the default on Node (Linux, Windows, macOS on ARM)",
    });
  },
});

import { errorMessage, SdmPruneError } from "@sdmprune/core";
import { type TensorBackend, tf } from "@sdmprune/tensor";
import { formatKernelLog, kernelLog } from "./kernel-log.js";
import { nativeBinding } from "./runtime/native-binding.js";
import { disposePrograms } from "./runtime/program.js";

const NAME = "onnx";

/**
 * The backend `onnx` as SDMPrune chooses it. With `SDMPRUNE_PROFILE=1` in the environment, the kernels' times are
 * written to stderr when the process ends.
 */
export function createOnnxBackend(): TensorBackend {
  return {
    name: NAME,
    capabilities: { synchronous: true, float16: false, device: "cpu" },

    isAvailable() {
      try {
        nativeBinding();
        return Promise.resolve({ available: true });
      } catch (error) {
        return Promise.resolve({ available: false, reason: errorMessage(error).replace(/\.$/, "") });
      }
    },

    async activate(options = {}) {
      try {
        const { registerOnnxBackend } = await import("./register.js");
        registerOnnxBackend(options);
      } catch (cause) {
        throw new SdmPruneError(`backend "${NAME}": ${errorMessage(cause)}`, { cause });
      }
      if (!(await tf.setBackend(NAME)))
        throw new SdmPruneError(`backend "${NAME}": tfjs could not initialise it.`);
      if (process.env.SDMPRUNE_PROFILE === "1") reportAtExit();
    },

    memory: () => ({ ...tf.memory() }),

    kernelMs: () => kernelLog().reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),

    async dispose() {
      const { activeBackend } = await import("./register.js");
      activeBackend()?.pool.clear();
      disposePrograms();
    },
  };
}

let isReporting = false;

function reportAtExit(): void {
  if (isReporting) return;
  isReporting = true;
  process.once("exit", () => process.stderr.write(formatKernelLog()));
}

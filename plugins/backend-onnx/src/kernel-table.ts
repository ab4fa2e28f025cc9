import { getKernelsForBackend } from "@tensorflow/tfjs-core";
import { fusedKernels } from "./fused/fused-kernels.js";
import { nativeKernels } from "./kernels/native-kernels.js";
import { FREE } from "./register.js";

/** How the backend does one kernel. */
export interface KernelDescription {
  /** Its name in tfjs. */
  readonly kernel: string;
  /**
   * `graph`: on ONNX Runtime. `copy`: typed arrays copied or filled. `view`: nothing is computed. `fallback`: by
   * tfjs's CPU backend, in JavaScript.
   */
  readonly by: "graph" | "copy" | "view" | "fallback";
  /** Calls which go to tfjs's CPU backend all the same; a phrase. */
  readonly except?: string;
  /** Whether it is one of the transformer operations that @sdmprune/tensor looks for, and not of tfjs. */
  readonly isFused: boolean;
}

/** Every kernel of the backend, by name. */
export function describeKernels(): KernelDescription[] {
  const own = new Map(nativeKernels.map((kernel) => [kernel.kernelName, kernel]));
  const ofTfjs = getKernelsForBackend("cpu").map(({ kernelName }): KernelDescription => {
    const kernel = own.get(kernelName);
    const by = kernel?.by ?? (FREE.has(kernelName) ? "view" : "fallback");
    return { kernel: kernelName, by, isFused: false, ...(kernel?.except && { except: kernel.except }) };
  });
  const fused = fusedKernels.map(({ kernelName, by }) => ({ kernel: kernelName, by, isFused: true }));
  return [...ofTfjs, ...fused].sort((a, b) => (a.kernel < b.kernel ? -1 : 1));
}

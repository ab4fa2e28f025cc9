import {
  engine,
  findBackendFactory,
  getKernelsForBackend,
  type KernelConfig,
  registerBackend,
  registerKernel,
  type TensorInfo,
  util,
} from "@tensorflow/tfjs-core";
import { DEFAULT_POOL_BYTES } from "./buffer-pool.js";
import { fusedKernels } from "./fused/fused-kernels.js";
import { logKernel } from "./kernel-log.js";
import type { NativeKernel } from "./kernels/native-kernel.js";
import { nativeKernels } from "./kernels/native-kernels.js";
import { OnnxBackend } from "./onnx-backend.js";
import { nativeBinding } from "./runtime/native-binding.js";
import { setThreads } from "./runtime/program.js";

/** The backend's name in tfjs. */
export const BACKEND_NAME = "onnx";

/** Above tfjs's cpu (1) and webgl (2): the backend tfjs takes in Node if the program chooses none. */
const PRIORITY = 3;

export interface RegisterOptions {
  /** Compute threads, the calling one included. Default: the number of cores. */
  threads?: number;
  /** Bytes of disposed results kept for reuse. Default: 512 MiB. */
  poolBytes?: number;
}

type KernelFunc = KernelConfig["kernelFunc"];

/**
 * Makes the backend `onnx` known to tfjs, with every kernel that tfjs's CPU backend has; repeatable. It becomes active
 * by `await tf.setBackend("onnx")`.
 *
 * @throws {Error} If ONNX Runtime does not load here.
 * @throws {RangeError} If `threads` is no positive integer, or `poolBytes` negative.
 */
export function registerOnnxBackend({ threads, poolBytes }: RegisterOptions = {}): void {
  nativeBinding();
  setThreads(threads);
  setPoolBytes(poolBytes);
  if (findBackendFactory(BACKEND_NAME)) return;
  const own = new Map(nativeKernels.map((kernel) => [kernel.kernelName, kernel]));
  for (const config of getKernelsForBackend("cpu")) {
    const kernelFunc = recorded(config.kernelName, own.get(config.kernelName), config.kernelFunc);
    registerKernel({ ...config, backendName: BACKEND_NAME, kernelFunc });
  }
  for (const kernel of fusedKernels) {
    const kernelFunc = recorded(kernel.kernelName, kernel, undefined);
    registerKernel({ kernelName: kernel.kernelName, backendName: BACKEND_NAME, kernelFunc });
  }
  registerBackend(BACKEND_NAME, () => new OnnxBackend(maxPoolBytes), PRIORITY);
}

let maxPoolBytes = DEFAULT_POOL_BYTES;

/** Sets the limit of the pool, of this backend or of the one that will be made. */
function setPoolBytes(bytes: number = DEFAULT_POOL_BYTES): void {
  if (!(bytes >= 0)) throw new RangeError(`poolBytes: expected a number of bytes, got ${bytes}.`);
  maxPoolBytes = bytes;
  activeBackend()?.pool.limit(bytes);
}

/** Kernels of tfjs's CPU backend which give the same values another shape and touch none. */
export const FREE = new Set(["ExpandDims", "Identity", "Reshape"]);

/** The native kernel, or the other where that has no answer; both noted in the log. */
function recorded(
  name: string,
  native: NativeKernel | undefined,
  fallback: KernelFunc | undefined,
): KernelFunc {
  return (call) => {
    const start = performance.now();
    let path: "native" | "fallback" = "native";
    let result = native?.run(call as never);
    if (result === undefined) {
      if (!fallback) throw new Error(`${name}: the backend ${BACKEND_NAME} cannot do this for these dtypes.`);
      result = fallback(call);
      if (!FREE.has(name)) path = "fallback";
    }
    // Some inputs are lists of tensors, and optional ones may be null.
    const tensors = [...Object.values(call.inputs).flat(), result].flat() as (
      TensorInfo | null | undefined
    )[];
    const sizes = tensors.map((t) => (t ? util.sizeFromShape(t.shape) : 0));
    const bytes = sizes.reduce((sum, size) => sum + size, 0) * 4;
    logKernel(name, path, performance.now() - start, FREE.has(name) ? 0 : bytes, Math.max(0, ...sizes));
    return result;
  };
}

/** The active instance of the backend, if it has been made. */
export function activeBackend(): OnnxBackend | undefined {
  return engine().registry[BACKEND_NAME] as OnnxBackend | undefined;
}

import type { KernelDescription } from "./kernel-table.js";
import type { RegisterOptions } from "./register.js";

export { clearKernelLog, formatKernelLog, kernelLog } from "./kernel-log.js";
export type { KernelRecord } from "./kernel-log.js";
export type { KernelDescription } from "./kernel-table.js";
export type { RegisterOptions } from "./register.js";

/**
 * Makes the backend `onnx` known to the tfjs of this program; then `await tf.setBackend("onnx")`. Repeatable: a
 * second call changes the number of threads.
 *
 * @throws {Error} If ONNX Runtime does not load here.
 * @throws {RangeError} If `threads` is no positive integer.
 */
export async function register(options: RegisterOptions = {}): Promise<void> {
  const { registerOnnxBackend } = await import("./register.js");
  registerOnnxBackend(options);
}

/** Which kernels the backend has, and whether each runs on ONNX Runtime; by name. */
export async function kernelTable(): Promise<KernelDescription[]> {
  return (await import("./kernel-table.js")).describeKernels();
}

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { OnnxBackend } from "../onnx-backend.js";

/** What a kernel is called with. */
export interface KernelCall<Inputs = Record<string, TensorInfo>, Attrs = Record<string, never>> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly backend: OnnxBackend;
}

/** A kernel of this backend. Returns `undefined` to leave the call to tfjs's CPU kernel. */
export interface NativeKernel {
  readonly kernelName: string;
  /** How it is done, for the documentation. */
  readonly by: "graph" | "copy";
  /** Which calls go to the CPU kernel, for the documentation; a phrase. */
  readonly except?: string;
  run(call: KernelCall<never, never>): TensorInfo | TensorInfo[] | undefined;
}

/** Declares a kernel. */
export function nativeKernel<Inputs, Attrs>(
  kernelName: string,
  by: NativeKernel["by"],
  run: (call: KernelCall<Inputs, Attrs>) => TensorInfo | TensorInfo[] | undefined,
  except?: string,
): NativeKernel {
  return { kernelName, by, run, ...(except === undefined ? {} : { except }) };
}

/**
 * Up to this many elements, JavaScript is quicker than the 10 µs that it takes to run a graph at all. Applies to
 * operations whose results are the same bit for bit either way: how a row is rounded must not depend on how many
 * rows there are.
 */
const DEFAULT_SMALL_TENSOR = 1000;

let smallTensor = DEFAULT_SMALL_TENSOR;

/** Whether a tensor of this many elements is too small for a graph. */
export function isSmall(numElements: number): boolean {
  return numElements <= smallTensor;
}

/** Sets what counts as small; 0 makes every kernel run natively, which is for tests. */
export function setSmallTensor(numElements: number = DEFAULT_SMALL_TENSOR): void {
  smallTensor = numElements;
}

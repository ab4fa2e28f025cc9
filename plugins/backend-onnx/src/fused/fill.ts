import { nativeKernel } from "../kernels/native-kernel.js";

/** A tensor in a buffer of the pool, whose values somebody else writes. */
export const fillKernel = nativeKernel<
  Record<string, never>,
  { shape: readonly number[]; fill: (values: Float32Array) => void }
>("SdmFill", "copy", ({ attrs: { shape, fill }, backend }) => {
  const { tensor, values } = backend.allocate(shape, "float32");
  try {
    fill(values);
  } catch (error) {
    backend.disposeIntermediateTensorInfo(tensor);
    throw error;
  }
  return tensor;
});

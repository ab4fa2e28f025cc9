import { binaryKernels } from "./binary.js";
import { creationKernels } from "./creation.js";
import { matMulKernels } from "./mat-mul.js";
import { movementKernels } from "./movement.js";
import type { NativeKernel } from "./native-kernel.js";
import { reductionKernels } from "./reduction.js";
import { sliceKernels } from "./slice.js";
import { unaryKernels } from "./unary.js";

/** The kernels of tfjs that this backend does itself. */
export const nativeKernels: readonly NativeKernel[] = [
  ...matMulKernels,
  ...unaryKernels,
  ...binaryKernels,
  ...reductionKernels,
  ...movementKernels,
  ...sliceKernels,
  ...creationKernels,
];

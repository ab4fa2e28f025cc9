import * as tf from "@tensorflow/tfjs-core";
import { type FusedKernels, runFused } from "../fused-kernels.js";

type Inputs = FusedKernels["SdmLossGradientChunk"]["inputs"];
type Attrs = FusedKernels["SdmLossGradientChunk"]["attrs"];

/**
 * Gradient of the loss by one chunk of logits; the kernel `SdmLossGradientChunk` says what goes in.
 *
 * @returns `dz [N, C]` and, for `blend`, each row's share `kd [N]` of the KL divergence. The caller disposes both.
 */
export function lossGradientChunk(inputs: Inputs, attrs: Attrs): { dz: tf.Tensor2D; kd?: tf.Tensor1D } {
  const [dz, kd] = runFused("SdmLossGradientChunk", inputs, attrs) ?? tf.tidy(() => compose(inputs, attrs));
  return kd ? { dz: dz as tf.Tensor2D, kd: kd as tf.Tensor1D } : { dz: dz as tf.Tensor2D };
}

function compose(inputs: Inputs, { kind, inverseTemperature }: Attrs): tf.Tensor[] {
  const { logits, max, sum, labelWeight } = inputs;
  const weight = column(labelWeight);
  const centred = tf.sub(logits, column(max));
  const q = tf.div(tf.exp(centred), column(sum));
  if (kind === "entropy") {
    const logQ = tf.sub(centred, tf.log(column(sum)));
    return [tf.mul(tf.neg(weight), tf.mul(q, tf.add(logQ, column(inputs.entropy!))))];
  }

  const classes = tf.reshape(tf.range(0, logits.shape[1]!, 1, "int32"), [1, -1]);
  const oneHot = tf.cast(tf.equal(column(inputs.labels!), classes), "float32");
  const dz = tf.mul(weight, tf.sub(q, oneHot));
  if (kind === "cross-entropy") return [dz];

  const { teacherLogits, teacherMax, teacherSum, teacherWeight } = inputs;
  const teacherCentred = tf.sub(tf.mul(teacherLogits!, inverseTemperature), column(teacherMax!));
  const p = tf.div(tf.exp(teacherCentred), column(teacherSum!));
  const logRatio = tf.add(
    tf.sub(teacherCentred, centred),
    tf.log(tf.div(column(sum), column(teacherSum!))), // log p - log q
  );
  return [tf.add(dz, tf.mul(column(teacherWeight!), tf.sub(q, p))), tf.sum(tf.mul(p, logRatio), 1)];
}

/** `[N] -> [N, 1]`. */
function column(rows: tf.Tensor): tf.Tensor {
  return tf.expandDims(rows, 1);
}

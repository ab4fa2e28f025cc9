import { FormatError } from "@sdmprune/core";
import { fromFloat32, toFloat32, type FloatDType, type TensorToWrite } from "@sdmprune/model-io";
import type { Adapters, WeightSource } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";

const FLOATS: readonly string[] = ["F64", "F32", "F16", "BF16"] satisfies FloatDType[];

/**
 * The tensors of a checkpoint with adapters folded in: `W + scaling B A`, computed in float32 and rounded to the checkpoint's type.
 * Each is read and computed when its turn comes; the others pass as they are.
 *
 * @throws {FormatError} If an adapter's layer has no weight in the checkpoint, or one that is no float; when a tensor's turn comes, if shapes
 *   do not fit.
 */
export function mergedTensors(source: WeightSource, adapters: Adapters): TensorToWrite[] {
  const names = [...source.tensorNames()];
  const known = new Set(names);
  for (const module of adapters.keys()) {
    if (!known.has(`${module}.weight`)) {
      throw new FormatError(
        `merge: the adapter changes ${module}, but the model has no tensor "${module}.weight".`,
      );
    }
  }
  return names.map((name): TensorToWrite => {
    const { dtype, shape } = source.info(name);
    const adapter = name.endsWith(".weight") ? adapters.get(name.slice(0, -".weight".length)) : undefined;
    if (!adapter) return { name, dtype, shape, data: () => source.read(name) };
    if (!FLOATS.includes(dtype)) {
      throw new FormatError(`merge: expected "${name}" to hold ${FLOATS.join(", ")}, got ${dtype}.`);
    }
    return {
      name,
      dtype,
      shape,
      async data() {
        const { a, b, scaling } = adapter;
        if (shape.length !== 2 || shape[0] !== b.shape[0] || shape[1] !== a.shape[1]) {
          throw new FormatError(
            `merge: "${name}" has shape [${shape.join(", ")}], which an adapter of [${b.shape[0]}, ${a.shape[1]}] does not fit.`,
          );
        }
        const values = toFloat32(await source.read(name), dtype);
        const merged = tf.tidy(() => {
          const weight = tf.tensor2d(values, [shape[0]!, shape[1]!]);
          return tf.add(weight, tf.mul(tf.matMul(b, a), scaling));
        });
        try {
          return fromFloat32((await merged.data()) as Float32Array, dtype as FloatDType);
        } finally {
          merged.dispose();
        }
      },
    };
  });
}

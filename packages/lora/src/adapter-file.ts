import { FormatError } from "@sdmprune/core";
import { fromFloat32, type SafetensorsFile, type TensorToWrite } from "@sdmprune/model-io";
import type { Adapters, ModuleAdapter } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { loraScaling, type LoraConfig } from "./lora-config.js";

const PREFIX = "base_model.model.";
const NAME = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/;

/** The tensors of `adapter_model.safetensors`, named and laid out as PEFT does; float32. */
export function adapterTensors(adapters: Adapters): TensorToWrite[] {
  return [...adapters].flatMap(([module, { a, b }]) => [
    toWrite(`${PREFIX}${module}.lora_A.weight`, a),
    toWrite(`${PREFIX}${module}.lora_B.weight`, b),
  ]);
}

function toWrite(name: string, tensor: tf.Tensor): TensorToWrite {
  return {
    name,
    dtype: "F32",
    shape: tensor.shape,
    data: async () => fromFloat32((await tensor.data()) as Float32Array, "F32"),
  };
}

/**
 * Reads the adapters of a file, ours or PEFT's, of any float type.
 *
 * @returns By layer; the caller disposes the matrices.
 * @throws {FormatError} If the file holds something else than pairs of LoRA matrices.
 */
export async function readAdapters(
  file: SafetensorsFile,
  config: LoraConfig,
): Promise<Map<string, ModuleAdapter>> {
  const found = new Map<string, Partial<Record<"A" | "B", string>>>();
  for (const name of file.names) {
    const [, module, matrix] = NAME.exec(name) ?? [];
    if (module === undefined) {
      throw new FormatError(
        `${file.name}: expected tensors named base_model.model.<layer>.lora_A.weight and lora_B.weight, got "${name}".`,
      );
    }
    found.set(module, { ...found.get(module), [matrix as "A" | "B"]: name });
  }
  if (found.size === 0) throw new FormatError(`${file.name}: expected adapters, got a file without tensors.`);
  const adapters = new Map<string, ModuleAdapter>();
  const read = async (module: string, matrix: "A" | "B"): Promise<tf.Tensor2D> => {
    const name = found.get(module)![matrix];
    if (name === undefined) throw new FormatError(`${file.name}: layer ${module} has no lora_${matrix}.`);
    const { shape } = file.tensor(name);
    if (shape.length !== 2)
      throw new FormatError(
        `${file.name}: tensor "${name}" must be a matrix, got shape [${shape.join(", ")}].`,
      );
    return tf.tensor2d(await file.readFloat32(name), [shape[0]!, shape[1]!]);
  };
  try {
    for (const module of found.keys()) {
      const a = await read(module, "A");
      const entry = { a, b: a, scaling: loraScaling(config, module), dropout: config.loraDropout };
      adapters.set(module, entry);
      adapters.set(module, { ...entry, b: await read(module, "B") });
    }
    return adapters;
  } catch (error) {
    disposeAdapters(adapters);
    throw error;
  }
}

/** Frees the matrices. */
export function disposeAdapters(adapters: Adapters): void {
  for (const { a, b } of adapters.values()) tf.dispose([...new Set([a, b])]);
}

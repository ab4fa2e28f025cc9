import { FormatError } from "@sdmprune/core";
import { fromFloat32 } from "../float-conversion.js";
import { describeJson } from "../json-object.js";
import type { Checkpoint } from "../open-checkpoint.js";
import { type GgmlType, ggmlTypeTraits } from "./ggml-types.js";
import type { GgufValue } from "./gguf-metadata.js";
import { assertNoOverflow } from "./import-llama.js";
import { type GgufLayout, type GgufTensorToWrite, layoutGguf } from "./layout-gguf.js";
import { ggufTensorName, ROPE_FACTORS, rotaryHeads } from "./llama-tensor-names.js";
import { metadataFromConfig } from "./metadata-from-config.js";
import { quantizeQ80 } from "./quantize-q8.js";
import { reorderRotaryRows } from "./rotary-rows.js";
import { tokenizerToGguf, type TokenizerSource } from "./tokenizer-to-gguf.js";

/** Types that a GGUF file can be written in, with their number as `general.file_type`. */
export const GGUF_FILE_TYPES = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 } as const;
export type GgufFileType = keyof typeof GGUF_FILE_TYPES;

export interface ExportOptions {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Omit<TokenizerSource, "config">;
  /** Type of the matrices. Vectors (norms and biases) are float32. */
  readonly type: GgufFileType;
  /** `general.name`. */
  readonly modelName: string;
}

/** A GGUF file laid out, to be written with `ggufPieces`. */
export interface ExportedGguf extends GgufLayout {
  /** Tensors that are float16 in a Q8_0 file because their rows are no multiple of 32, as llama.cpp's converter does. */
  readonly fallbacks: readonly string[];
}

/**
 * Makes a GGUF file of a Hugging Face Llama checkpoint, pruned or not: metadata, tokenizer, and the rows of q_proj and
 * k_proj in GGUF's rotary order. Weights are read, one tensor at a time, when the file is written.
 *
 * @throws {ConfigError} If the model is no Llama, or has something the GGUF architecture does not.
 * @throws {FormatError} If llama.cpp has no tokenizer like the checkpoint's.
 */
export function exportLlama({ checkpoint, tokenizer, type, modelName }: ExportOptions): ExportedGguf {
  const { metadata, layout, ropeFactors, vocabSize } = metadataFromConfig(
    checkpoint.config,
    `${checkpoint.name}/config.json`,
  );
  const all = new Map<string, GgufValue>([
    ["general.architecture", { type: "STRING", value: "llama" }],
    ["general.type", { type: "STRING", value: "model" }],
    ["general.name", { type: "STRING", value: modelName }],
    ...metadata,
    ["general.file_type", { type: "UINT32", value: GGUF_FILE_TYPES[type] }],
    ["general.quantization_version", { type: "UINT32", value: 2 }],
    ...tokenizerToGguf(
      { ...tokenizer, config: checkpoint.config },
      vocabSize,
      `${checkpoint.name}/tokenizer.json`,
    ),
  ]);
  const fallbacks: string[] = [];
  const tensors: GgufTensorToWrite[] = [];
  for (const name of checkpoint.tensorNames().filter((name) => isModelTensor(checkpoint, name))) {
    const gguf = ggufTensorName(name);
    if (gguf === undefined) {
      throw new FormatError(
        `${checkpoint.name}: tensor ${describeJson(name)}: expected a tensor of a Llama, got one of no known name.`,
      );
    }
    const { shape } = checkpoint.info(name);
    const written = typeOf(shape, type);
    if (type === "Q8_0" && written === "F16") fallbacks.push(gguf);
    const heads = rotaryHeads(gguf);
    const numRotated = heads === "query" ? layout.numHeads : layout.numKeyValueHeads;
    const where = `${checkpoint.name}: tensor ${describeJson(name)}`;
    if (heads && shape[0] !== numRotated * layout.headDim) {
      throw new FormatError(
        `${where}: expected ${numRotated * layout.headDim} rows (${numRotated} heads of ${layout.headDim}), got shape [${shape.join(", ")}].`,
      );
    }
    tensors.push({
      name: gguf,
      type: written,
      shape,
      data: async () => {
        const bytes = convert(await checkpoint.readFloat32(name), written, where);
        return heads ? reorderRotaryRows(bytes, numRotated, layout.headDim, "gguf") : bytes;
      },
    });
  }
  if (ropeFactors) {
    tensors.unshift({
      name: ROPE_FACTORS,
      type: "F32",
      shape: [ropeFactors.length],
      data: () => fromFloat32(ropeFactors, "F32"),
    });
  }
  return { ...layoutGguf(all, tensors), fallbacks };
}

/** Not what old checkpoints carry besides, and not an output matrix that is the embedding table. */
function isModelTensor(checkpoint: Checkpoint, name: string): boolean {
  return !name.endsWith(".rotary_emb.inv_freq") && !(checkpoint.isTied && name === "lm_head.weight");
}

function typeOf(shape: readonly number[], type: GgufFileType): GgmlType {
  if (shape.length < 2) return "F32";
  return shape.at(-1)! % ggmlTypeTraits(type).blockSize === 0 ? type : "F16";
}

function convert(values: Float32Array, type: GgmlType, where: string): Uint8Array {
  switch (type) {
    case "Q8_0":
      try {
        return quantizeQ80(values);
      } catch (cause) {
        throw new FormatError(`${where}: ${(cause as Error).message}`, { cause });
      }
    case "F32":
    case "BF16":
      return fromFloat32(values, type);
    default: {
      const halves = fromFloat32(values, "F16");
      assertNoOverflow(values, halves, where);
      return halves;
    }
  }
}

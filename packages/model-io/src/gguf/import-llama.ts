import { FormatError } from "@sdmprune/core";
import { fromFloat32 } from "../float-conversion.js";
import { describeJson, type JsonObject } from "../json-object.js";
import type { TensorToWrite } from "../layout-safetensors.js";
import { configFromGguf, type LlamaLayout, tokenIds } from "./config-from-gguf.js";
import { hfTensorName, ROPE_FACTORS, rotaryHeads } from "./llama-tensor-names.js";
import { type GgufFile, numRowsOf } from "./open-gguf.js";
import { reorderRotaryRows } from "./rotary-rows.js";
import { tokenizerFromGguf } from "./tokenizer-from-gguf.js";

/** Float types that a checkpoint can be written in, as `torch_dtype` names them. */
export const TORCH_DTYPES = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;
export type TorchDType = keyof typeof TORCH_DTYPES;

/** A Hugging Face checkpoint made from a GGUF file, ready for `writeCheckpoint`. */
export interface ImportedCheckpoint {
  readonly config: JsonObject;
  readonly torchDType: TorchDType;
  /** The data of each is read, dequantised and converted when its turn comes. */
  readonly tensors: readonly TensorToWrite[];
  /** `tokenizer.json`, `tokenizer_config.json` and `generation_config.json`. */
  readonly files: Readonly<Record<string, string>>;
}

export interface ImportOptions {
  /** Default: the type of the file's matrices where it is the same float type for all, else bfloat16. */
  readonly torchDType?: TorchDType | undefined;
}

/**
 * Makes a Hugging Face Llama checkpoint of a GGUF file of the llama architecture: dequantises, renames, puts the rows
 * of q_proj and k_proj back in Hugging Face's rotary order, and rebuilds config and tokenizer.
 *
 * @throws {FormatError} If the file is of another architecture, or its tokenizer or rotary scaling cannot be
 *   expressed.
 */
export async function importLlama(
  file: GgufFile,
  { torchDType = ownType(file) }: ImportOptions = {},
): Promise<ImportedCheckpoint> {
  const { config, layout } = await configFromGguf(file, torchDType);
  const tensors = file.names
    .filter((name) => name !== ROPE_FACTORS)
    .map((name) => importedTensor(file, name, layout, torchDType));
  const { tokenizer, config: tokenizerConfig } = tokenizerFromGguf(file);
  return {
    config,
    torchDType,
    tensors,
    files: {
      "generation_config.json": json(generationConfig(file)),
      "tokenizer.json": json(tokenizer),
      "tokenizer_config.json": json(tokenizerConfig),
    },
  };
}

const json = (value: JsonObject): string => `${JSON.stringify(value, null, 2)}\n`;

/** Where a chat model's turns end is another token than where texts end; `generate` of transformers takes a list. */
function generationConfig(file: GgufFile): JsonObject {
  const ids = tokenIds(file);
  const endOfTurn = file.metadata.integer("tokenizer.ggml.eot_token_id");
  if (endOfTurn === undefined || endOfTurn === ids.eos_token_id) return ids;
  return { ...ids, eos_token_id: ids.eos_token_id === undefined ? endOfTurn : [ids.eos_token_id, endOfTurn] };
}

function ownType(file: GgufFile): TorchDType {
  const types = new Set(
    file.names
      .map((name) => file.tensor(name))
      .filter(({ shape }) => shape.length > 1)
      .map(({ type }) => type),
  );
  const [only] = types;
  const found = Object.entries(TORCH_DTYPES).find(([, type]) => types.size === 1 && type === only);
  return (found?.[0] as TorchDType | undefined) ?? "bfloat16";
}

/** Elements that are dequantised at a time. */
const CHUNK_ELEMENTS = 2 ** 20;

function importedTensor(
  file: GgufFile,
  name: string,
  { numHeads, numKeyValueHeads, headDim }: LlamaLayout,
  torchDType: TorchDType,
): TensorToWrite {
  const where = `${file.name}: tensor ${describeJson(name)}`;
  const hfName = hfTensorName(name);
  if (hfName === undefined)
    throw new FormatError(`${where}: expected a tensor of a Llama, got one of no known name.`);
  const { shape } = file.tensor(name);
  const heads = rotaryHeads(name);
  const numRotated = heads === "query" ? numHeads : numKeyValueHeads;
  if (heads && shape[0] !== numRotated * headDim) {
    throw new FormatError(
      `${where}: expected ${numRotated * headDim} rows (${numRotated} heads of ${headDim}), got shape [${shape.join(", ")}].`,
    );
  }
  const dtype = TORCH_DTYPES[torchDType];
  const data = async (): Promise<Uint8Array> => {
    const bytes = await convertedRows(file, name, dtype, where);
    return heads ? reorderRotaryRows(bytes, numRotated, headDim, "hf") : bytes;
  };
  return { name: hfName, dtype, shape, data };
}

/** A tensor in another float type, some rows at a time, so that memory holds it in that type only. */
async function convertedRows(
  file: GgufFile,
  name: string,
  dtype: "F32" | "F16" | "BF16",
  where: string,
): Promise<Uint8Array> {
  const info = file.tensor(name);
  const numRows = numRowsOf(info);
  const rowLength = info.shape.at(-1)!;
  const rowBytes = rowLength * (dtype === "F32" ? 4 : 2);
  const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / rowLength));
  const out = new Uint8Array(numRows * rowBytes);
  for (let start = 0; start < numRows; start += step) {
    const end = Math.min(start + step, numRows);
    const values = await file.readFloat32(name, [start, end]);
    const converted = fromFloat32(values, dtype);
    if (dtype === "F16") assertNoOverflow(values, converted, where);
    out.set(converted, start * rowBytes);
  }
  return out;
}

/** @throws {FormatError} If a finite value has become infinite in float16. */
export function assertNoOverflow(values: Float32Array, halves: Uint8Array, where: string): void {
  const bits = new Uint16Array(halves.buffer, halves.byteOffset, values.length);
  const at = bits.findIndex((half, i) => (half & 0x7fff) === 0x7c00 && Number.isFinite(values[i]));
  if (at < 0) return;
  throw new FormatError(
    `${where}: expected values up to 65504, the largest of float16, got ${values[at]}. Take bfloat16 or float32.`,
  );
}

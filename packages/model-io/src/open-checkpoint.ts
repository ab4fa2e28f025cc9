import { FormatError, NotFoundError } from "@sdmprune/core";
import type { ByteSource } from "./byte-source.js";
import { INDEX_FILE, parseCheckpointIndex } from "./checkpoint-index.js";
import { toFloat32 } from "./float-conversion.js";
import { decodeUtf8, describeJson, type JsonObject, parseJsonObject } from "./json-object.js";
import {
  openSafetensors,
  type ReadOptions,
  type SafetensorsFile,
  unknownTensor,
} from "./open-safetensors.js";
import type { TensorInfo } from "./safetensors-header.js";

/** A set of files by name: a folder on a disk, files dropped into a browser, a repository on a server. */
export interface FileSet {
  /** Path or other name of the set, as error messages show it. */
  readonly name: string;
  /** Names of all files. */
  list(): Promise<readonly string[]>;
  /** @throws {NotFoundError} If there is no file of this name. */
  open(file: string): Promise<ByteSource>;
}

/** A Hugging Face checkpoint: `config.json` and one or more safetensors files. */
export interface Checkpoint {
  /** Path or other name, as error messages show it. */
  readonly name: string;
  /** `config.json` as parsed, with its keys in file order and none added. */
  readonly config: Readonly<JsonObject>;
  /** `config.json` as it stands in the file; `editConfig` changes keys in it and leaves the rest alone. */
  readonly configText: string;
  /** Names of the files the weights were found in, sorted. */
  readonly weightFiles: readonly string[];
  /**
   * Whether the embedding table is also the output matrix: the config says so (`tie_word_embeddings`,
   * `share_embedding` or `share_input_output_layers`), or there is no output matrix.
   */
  readonly isTied: boolean;
  /** Tensor names, sorted. */
  tensorNames(): readonly string[];
  has(name: string): boolean;
  /** @throws {NotFoundError} If there is no such tensor. */
  info(name: string): TensorInfo;
  /** The raw bytes of a tensor, or of a range of its rows; the caller owns them. */
  read(name: string, options?: ReadOptions): Promise<Uint8Array>;
  /** As `read`, converted to float32 (see `toFloat32`). */
  readFloat32(name: string, options?: ReadOptions): Promise<Float32Array>;
}

/** Names under which the families of the field store an output matrix. */
export const OUTPUT_MATRICES = ["lm_head.weight", "embed_out.weight", "output.weight"];

const MAX_JSON_BYTES = 256 * 2 ** 20;

/**
 * Opens a checkpoint: reads `config.json` and the headers of the safetensors files, and checks that every
 * tensor of a sharded one is where the index says. A `model.safetensors` is preferred to an index, as
 * transformers does.
 *
 * @throws {NotFoundError} If the config or a file of weights is missing.
 * @throws {FormatError} If a file is malformed, or the weights are not safetensors.
 */
export async function openCheckpointFiles(files: FileSet): Promise<Checkpoint> {
  const names = await files.list();
  if (!names.includes("config.json")) {
    const hint = names.includes("adapter_config.json")
      ? "It holds an adapter: merge it into its base model first"
      : "Is it a checkpoint folder in Hugging Face layout?";
    throw new NotFoundError(
      `${files.name}: expected a config.json, got ${names.length} other files. ${hint}`,
    );
  }
  const configText = await readTextFile(files, "config.json");
  const config = parseJsonObject(configText, pathOf(files, "config.json"));
  const tensors = await openWeights(files, names);

  const find = (name: string): SafetensorsFile => {
    const file = tensors.get(name);
    if (file === undefined) throw unknownTensor(files.name, name, [...tensors.keys()]);
    return file;
  };
  const read = (name: string, options?: ReadOptions) => find(name).read(name, options);
  return {
    name: files.name,
    config,
    configText,
    weightFiles: [
      ...new Set([...tensors.values()].map(({ name }) => name.slice(files.name.length + 1))),
    ].sort(),
    isTied: isTied(config, tensors),
    tensorNames: () => [...tensors.keys()].sort(),
    has: (name) => tensors.has(name),
    info: (name) => find(name).tensor(name),
    read: async (name, options) => read(name, options),
    readFloat32: async (name, options) => toFloat32(await read(name, options), find(name).tensor(name).dtype),
  };
}

/**
 * A text file of a set.
 *
 * @throws {NotFoundError} If it is missing.
 * @throws {FormatError} If it is not UTF-8 or larger than 256 MiB.
 */
export async function readTextFile(files: FileSet, name: string): Promise<string> {
  const source = await files.open(name);
  const where = pathOf(files, name);
  if (source.size > MAX_JSON_BYTES) {
    throw new FormatError(`${where}: expected at most ${MAX_JSON_BYTES} bytes, got ${source.size}.`);
  }
  return decodeUtf8(await source.read(0, source.size), where);
}

function pathOf(files: FileSet, name: string): string {
  return `${files.name}/${name}`;
}

/** The file that each tensor is in. */
async function openWeights(files: FileSet, names: readonly string[]): Promise<Map<string, SafetensorsFile>> {
  const open = async (name: string) => openSafetensors(await files.open(name), pathOf(files, name));
  if (names.includes("model.safetensors")) {
    const file = await open("model.safetensors");
    return new Map(file.names.map((tensor) => [tensor, file]));
  }
  if (!names.includes(INDEX_FILE)) throw noSafetensors(files.name, names);

  const where = pathOf(files, INDEX_FILE);
  const weightMap = parseCheckpointIndex(await readTextFile(files, INDEX_FILE), where);
  const shards = new Map<string, SafetensorsFile>();
  for (const name of new Set(weightMap.values())) {
    if (!names.includes(name)) {
      throw new NotFoundError(
        `${where}: expected the file "${name}" beside it, got none. Is the download complete?`,
      );
    }
    shards.set(name, await open(name));
  }
  const tensors = new Map<string, SafetensorsFile>();
  for (const [tensor, name] of weightMap) {
    const shard = shards.get(name)!;
    if (!shard.has(tensor)) {
      throw new FormatError(
        `${where}: expected tensor ${describeJson(tensor)} in "${name}", got a file without it.`,
      );
    }
    tensors.set(tensor, shard);
  }
  return tensors;
}

function isTied(config: JsonObject, tensors: ReadonlyMap<string, unknown>): boolean {
  const said = ["tie_word_embeddings", "share_embedding", "share_input_output_layers"];
  return said.some((key) => config[key] === true) || !OUTPUT_MATRICES.some((name) => tensors.has(name));
}

function noSafetensors(where: string, names: readonly string[]): FormatError | NotFoundError {
  const other = names.find((name) => /\.(bin|pth|pt|gguf|onnx|h5|msgpack|npz)(\.index\.json)?$/.test(name));
  if (other === undefined) {
    return new NotFoundError(`${where}: expected model.safetensors or ${INDEX_FILE}, got neither.`);
  }
  if (other.endsWith(".gguf")) {
    return new FormatError(
      `${where}: expected model.safetensors or ${INDEX_FILE}, got ${other}. Convert it first with sdmprune convert.`,
    );
  }
  const convert =
    "Convert it once with Python: from transformers import AutoModelForCausalLM as M; " +
    `M.from_pretrained("${where}", dtype="auto").save_pretrained("converted")`;
  return new FormatError(`${where}: expected model.safetensors or ${INDEX_FILE}, got ${other}. ${convert}`);
}

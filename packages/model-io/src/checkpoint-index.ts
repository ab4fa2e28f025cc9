import { FormatError } from "@sdmprune/core";
import { isPlainFileName } from "./file-name.js";
import { describeJson, isJsonObject, parseJsonObject } from "./json-object.js";

export const INDEX_FILE = "model.safetensors.index.json";

/**
 * The `weight_map` of a sharded checkpoint's index: tensor name to file name, both as they stand there.
 *
 * @throws {FormatError} If the index is malformed or names a file that is not a plain .safetensors name.
 */
export function parseCheckpointIndex(text: string, where: string): Map<string, string> {
  const { weight_map: weightMap } = parseJsonObject(text, where);
  if (!isJsonObject(weightMap)) {
    throw new FormatError(`${where}: expected an object "weight_map", got ${describeJson(weightMap)}.`);
  }
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== "string" || !isPlainFileName(file) || !file.endsWith(".safetensors")) {
      throw new FormatError(
        `${where}: tensor ${describeJson(tensor)}: expected a .safetensors file beside the index, got ${describeJson(file)}.`,
      );
    }
    files.set(tensor, file);
  }
  if (files.size === 0) throw new FormatError(`${where}: expected tensors in "weight_map", got none.`);
  return files;
}

import { NotFoundError } from "@sdmprune/core";
import { parseJsonObject } from "../json-object.js";
import { readTextFile } from "../open-checkpoint.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer.js";
import { folderFiles } from "./folder-checkpoint.js";

/**
 * The tokenizer of a checkpoint folder: its `tokenizer.json`, with special tokens from
 * `tokenizer_config.json` where there is one.
 *
 * @throws {NotFoundError} If the folder has no `tokenizer.json`.
 * @throws {FormatError} If a file is malformed.
 */
export async function openTokenizer(dir: string): Promise<Tokenizer> {
  const files = folderFiles(dir);
  const names = await files.list();
  const read = async (name: string) =>
    parseJsonObject(await readTextFile(files, name), `${files.name}/${name}`);
  if (!names.includes("tokenizer.json")) {
    const slow = names.includes("tokenizer.model");
    throw new NotFoundError(
      `${files.name}: expected a tokenizer.json, got ${slow ? "only a tokenizer.model" : "none"}. ` +
        "Make one with Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).",
    );
  }
  const config = names.includes("tokenizer_config.json") ? await read("tokenizer_config.json") : {};
  return loadTokenizer(await read("tokenizer.json"), config, `${files.name}/tokenizer.json`);
}

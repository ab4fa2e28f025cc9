import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "@sdmprune/core";
import { INDEX_FILE, parseCheckpointIndex } from "../checkpoint-index.js";
import { isCarriedFile } from "./carried-files.js";
import { downloadChosen, type DownloadOptions } from "./download-repo.js";

/**
 * Downloads a checkpoint from the hub: its safetensors files, config, tokenizer, generation settings, remote
 * code and licence; not the same weights in other formats. See `downloadRepo` for the cache.
 *
 * @returns The snapshot folder, for `openCheckpoint`.
 * @throws {FormatError} If the repository has no safetensors.
 */
export async function downloadCheckpoint(options: DownloadOptions): Promise<string> {
  return downloadChosen({ ...options, type: "model" }, async function* (paths, dir) {
    const single = paths.includes("model.safetensors");
    if (!single && !paths.includes(INDEX_FILE)) {
      const other = paths.find((path) => /\.(bin|pth|pt|gguf|h5)(\.index\.json)?$/.test(path)) ?? "neither";
      throw new FormatError(
        `${options.repo}: expected model.safetensors or ${INDEX_FILE}, got ${other}. Convert it with Python's save_pretrained first.`,
      );
    }
    yield paths.filter(
      (path) => path === "config.json" || (!single && path === INDEX_FILE) || isCarriedFile(path),
    );
    if (single) {
      yield ["model.safetensors"];
      return;
    }
    const where = `${options.repo}/${INDEX_FILE}`;
    const shards = new Set(
      parseCheckpointIndex(await readFile(join(dir, INDEX_FILE), "utf8"), where).values(),
    );
    const missing = [...shards].find((shard) => !paths.includes(shard));
    if (missing !== undefined) {
      throw new FormatError(`${where}: expected the file "${missing}" in the repository, got none.`);
    }
    yield [...shards];
  });
}

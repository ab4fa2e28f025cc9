import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { errorMessage, NotFoundError } from "@sdmprune/core";
import { type Checkpoint, type FileSet, openCheckpointFiles } from "../open-checkpoint.js";
import { isCarriedFile } from "./carried-files.js";
import { FileByteSource } from "./file-byte-source.js";
import { hashFiles } from "./hash-files.js";

/** A checkpoint in a folder. */
export interface FolderCheckpoint extends Checkpoint {
  /** Absolute path of the folder. */
  readonly dir: string;
  /** Names of the files that a checkpoint made from this one takes over, sorted. */
  carriedFiles(): Promise<readonly string[]>;
  /**
   * SHA-256 (hex) over the names and contents of `config.json` and the files of weights, sorted by name.
   * Read once, in a thread of its own if they are large, then remembered.
   */
  hash(): Promise<string>;
}

/**
 * Opens a checkpoint folder in Hugging Face layout: reads its config and the headers of its safetensors
 * files, nothing else. No file is kept open.
 *
 * @throws {NotFoundError} If the folder or one of its files is missing.
 * @throws {FormatError} If a file is malformed, or the weights are not safetensors.
 */
export async function openCheckpoint(dir: string): Promise<FolderCheckpoint> {
  const checkpoint = await openCheckpointFiles(folderFiles(dir));
  let hash: Promise<string> | undefined;
  return {
    ...checkpoint,
    dir: resolve(dir),
    carriedFiles: async () => (await readdir(dir)).filter(isCarriedFile).sort(),
    hash: () => (hash ??= hashFiles(dir, ["config.json", ...checkpoint.weightFiles])),
  };
}

/** The files of a folder, for `openCheckpointFiles`. */
export function folderFiles(dir: string): FileSet {
  return {
    name: dir.replace(/(?<=.)[/\\]+$/, ""),
    list: async () => {
      try {
        return await readdir(dir);
      } catch (cause) {
        throw new NotFoundError(`${dir}: expected a folder, got: ${errorMessage(cause)}.`, { cause });
      }
    },
    open: (file) => FileByteSource.open(join(dir, basename(file))),
  };
}

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { FormatError, UsageError } from "@sdmprune/core";
import { editConfig } from "../edit-config.js";
import { type JsonObject, parseJsonObject } from "../json-object.js";
import { layoutSafetensors, type TensorToWrite } from "../layout-safetensors.js";
import { OUTPUT_MATRICES } from "../open-checkpoint.js";
import { INDEX_FILE } from "../checkpoint-index.js";
import { planShards } from "../plan-shards.js";
import { AtomicFolder } from "./atomic-folder.js";
import type { FolderCheckpoint } from "./folder-checkpoint.js";
import { safetensorsPieces } from "./write-safetensors.js";

export interface WriteCheckpointOptions {
  /**
   * `config.json`: the text as it is to stand there (from `editConfig`), or an object. A
   * `quantization_config` is taken out, as the tensors are written as they are given.
   */
  config: string | JsonObject;
  /** The tensors, in the model's order; the data of each is asked for when its turn comes. */
  tensors: Iterable<TensorToWrite> | AsyncIterable<TensorToWrite>;
  /** Takes over this checkpoint's tokenizer, generation settings, remote code and licence. */
  carryOverFrom?: FolderCheckpoint;
  /** More files by name, written last; they win over carried ones. */
  extraFiles?: Readonly<Record<string, string | Uint8Array>>;
  /** Largest file of weights; 5 GB by default. */
  maxShardBytes?: number;
  /** Replace a folder that already stands there. */
  force?: boolean;
  /** Told the bytes of weights written so far and in all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Stops between two tensors; nothing is left behind. */
  signal?: AbortSignal;
}

/**
 * Writes a checkpoint folder that stock tools load; it appears whole or not at all (see `AtomicFolder`).
 * Memory holds two tensors at a time: one being written, and the next. A tied checkpoint is written without its output matrix, as
 * transformers does.
 *
 * @throws {UsageError} If `outDir` exists and `force` is not given, or there are no tensors.
 * @throws {ShapeError} If a tensor's data has another length than its type and shape say.
 */
export async function writeCheckpoint(outDir: string, options: WriteCheckpointOptions): Promise<void> {
  const folder = await AtomicFolder.begin(outDir, { force: options.force });
  try {
    await writeCheckpointInto(folder, options);
    await folder.commit();
  } finally {
    await folder.discard();
  }
}

/** As `writeCheckpoint`, into a folder that the caller began and will commit. */
export async function writeCheckpointInto(
  folder: AtomicFolder,
  options: WriteCheckpointOptions,
): Promise<void> {
  const { carryOverFrom, extraFiles = {} } = options;
  const configText = finalConfig(options.config);
  const config = parseJsonObject(configText, "config.json");

  const tensors: TensorToWrite[] = [];
  for await (const tensor of options.tensors) {
    if (config.tie_word_embeddings === true && OUTPUT_MATRICES.includes(tensor.name)) continue;
    tensors.push(tensor);
  }
  if (tensors.length === 0) throw new UsageError(`${folder.target}: expected tensors to write, got none.`);

  for (const name of (await carryOverFrom?.carriedFiles()) ?? []) {
    await folder.writeFile(
      name,
      createReadStream(join(carryOverFrom!.dir, name)) as AsyncIterable<Uint8Array>,
    );
  }
  await folder.writeFile("config.json", configText);
  await writeWeights(folder, tensors, options);
  for (const [name, data] of Object.entries(extraFiles)) {
    if (name === "config.json" || name === INDEX_FILE || name.endsWith(".safetensors")) {
      throw new UsageError(
        `${folder.target}: expected extra files beside the checkpoint's own, got "${name}".`,
      );
    }
    await folder.writeFile(name, data);
  }
}

async function writeWeights(
  folder: AtomicFolder,
  tensors: readonly TensorToWrite[],
  { maxShardBytes, onProgress, signal }: WriteCheckpointOptions,
): Promise<void> {
  const { files, index } = planShards(tensors, maxShardBytes);
  const layouts = files.map((file) => ({ name: file.name, layout: layoutSafetensors(file.tensors) }));
  assertUniqueNames(tensors);
  const totalBytes = layouts.reduce((sum, { layout }) => sum + layout.totalBytes, 0);
  let doneBytes = 0;
  async function* watched(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      yield piece;
      doneBytes += piece.byteLength;
      onProgress?.(doneBytes, totalBytes);
    }
  }
  for (const { name, layout } of layouts) await folder.writeFile(name, watched(safetensorsPieces(layout)));
  if (index !== undefined) await folder.writeFile(INDEX_FILE, index);
}

function assertUniqueNames(tensors: readonly TensorToWrite[]): void {
  const seen = new Set<string>();
  for (const { name } of tensors) {
    if (seen.has(name))
      throw new FormatError(`writeCheckpoint: expected every tensor name once, got "${name}" again.`);
    seen.add(name);
  }
}

function finalConfig(config: string | JsonObject): string {
  const text = typeof config === "string" ? config : `${JSON.stringify(config, null, 2)}\n`;
  const parsed = parseJsonObject(text, "config.json");
  return Object.hasOwn(parsed, "quantization_config")
    ? editConfig(text, { quantization_config: undefined })
    : text;
}

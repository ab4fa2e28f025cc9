import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorMessage, NotFoundError, type Registries } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { FileByteSource } from "@sdmprune/model-io/node";
import { storedChunks } from "../byte-chunks.js";
import { formatOfName, type DatasetFormat } from "../dataset-format.js";
import type { DocumentSource } from "../document.js";
import { concatDocuments, readDocuments } from "../read-documents.js";
import { HUB_PREFIX } from "./hub-dataset-files.js";
import { openHubDataset, type HubDatasetOptions } from "./open-hub-dataset.js";

export interface OpenDocumentsOptions extends HubDatasetOptions {
  /** Default: told by each file's name, else by its content. */
  format?: DatasetFormat;
  /** Field of a row that holds the text; see `readDocuments`. */
  textKey?: string;
  /** Where data sets are looked up by name: `host.registries`, or those of a run. */
  registries?: Pick<Registries, "datasets">;
}

/**
 * Opens the documents that `spec` names:
 *
 * - a file: `.txt`, `.jsonl`, `.json`, each perhaps `.gz`, or `.parquet`;
 * - a folder: all such files in it, in the order of their names;
 * - a registered data set, which goes before a file of the same name (that one is `./name`);
 * - `hub:org/name`, `hub:org/name:config/split`, `hub:org/name:path/in/repo.parquet`, each perhaps with
 *   `@revision` after the name: the files of a data set of the Hugging Face hub, downloaded into its cache.
 *
 * @throws {NotFoundError} If there is nothing of that name.
 */
export async function openDocuments(
  spec: string,
  options: OpenDocumentsOptions = {},
): Promise<DocumentSource> {
  if (spec.startsWith(HUB_PREFIX)) {
    const files = await openHubDataset(spec, options);
    return joined(spec, await Promise.all(files.map(({ path, name }) => openFile(path, name, options))));
  }
  const datasets = options.registries?.datasets;
  if (datasets?.has(spec)) return datasets.create(spec);
  const info = await stat(spec).catch((cause: unknown) => {
    const named =
      datasets && datasets.names().length > 0 ? `, or a data set (${datasets.names().join(", ")})` : "";
    throw new NotFoundError(
      `${spec}: expected a file, a folder, ${HUB_PREFIX}org/name${named}, got: ${errorMessage(cause)}. Check the path.`,
      { cause },
    );
  });
  if (!info.isDirectory()) return openFile(spec, basename(spec), options);
  const names = (await readdir(spec)).filter((name) => formatOfName(name) !== undefined).sort();
  if (names.length === 0) {
    throw new NotFoundError(
      `${spec}: expected .txt, .jsonl, .json, .gz or .parquet files in the folder, got none. Name a file.`,
    );
  }
  return joined(
    basename(spec),
    await Promise.all(names.map((name) => openFile(join(spec, name), name, options))),
  );
}

async function openFile(
  path: string,
  name: string,
  { format, textKey }: OpenDocumentsOptions,
): Promise<DocumentSource> {
  const source = await FileByteSource.open(path);
  return readDocuments(source, { name, sha256, format, textKey });
}

function joined(name: string, sources: readonly DocumentSource[]): DocumentSource {
  return sources.length === 1 ? sources[0]! : concatDocuments(name, sources);
}

/** SHA-256 of a source's bytes, read in pieces. */
export async function sha256(source: ByteSource): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of storedChunks(source)) hash.update(chunk);
  return hash.digest("hex");
}

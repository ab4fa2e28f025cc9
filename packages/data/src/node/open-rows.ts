import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { errorMessage, FormatError, NotFoundError } from "@sdmprune/core";
import { FileByteSource } from "@sdmprune/model-io/node";
import type { SourceFile } from "../document.js";
import { readRows, type Row } from "../read-rows.js";
import { chooseFiles, HUB_PREFIX } from "./hub-dataset-files.js";
import { sha256 } from "./open-documents.js";
import { openHubDataset, type HubDatasetOptions } from "./open-hub-dataset.js";

/** The rows of a data set's split, and the files they were read from. */
export interface RowFiles {
  readonly rows: readonly Row[];
  readonly files: readonly SourceFile[];
}

/**
 * Reads all rows of `spec`: a file, a folder (`selection` chooses in it, as for the hub), or
 * `hub:org/name:config/split`. Beside `x.jsonl`, a file `x-labels.lst` with one label per row adds the column
 * `label`.
 *
 * @throws {NotFoundError} If there is nothing of that name.
 * @throws {FormatError} If a file is malformed.
 */
export async function openRows(
  spec: string,
  options: HubDatasetOptions & { selection?: string } = {},
): Promise<RowFiles> {
  return readAll(await findDataFiles(spec, options));
}

/** A file of a data set on disk, and what messages call it. */
export interface DataFile {
  readonly path: string;
  readonly name: string;
}

/**
 * The files of `spec`: itself, those of a folder that `selection` chooses (without one, all of one format), or
 * those of `hub:…`, downloaded.
 *
 * @throws {NotFoundError} If there is nothing of that name.
 */
export async function findDataFiles(
  spec: string,
  { selection, ...hub }: HubDatasetOptions & { selection?: string } = {},
): Promise<readonly DataFile[]> {
  if (spec.startsWith(HUB_PREFIX)) return openHubDataset(spec, hub);
  const info = await stat(spec).catch((cause: unknown) => {
    throw new NotFoundError(
      `${spec}: expected a file or folder with rows, got: ${errorMessage(cause)}. Check the path.`,
      { cause },
    );
  });
  if (!info.isDirectory()) return [{ path: spec, name: basename(spec) }];
  const names = (await readdir(spec, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(spec, join(entry.parentPath, entry.name)).split(sep).join("/"));
  const chosen = chooseFiles(names, {
    label: spec,
    selection,
    place: "folder",
    example: `${spec}/path/of/file`,
  });
  return chosen.map((name) => ({ path: join(spec, name), name: basename(name) }));
}

async function readAll(files: readonly DataFile[]): Promise<RowFiles> {
  const rows: Row[] = [];
  const described: SourceFile[] = [];
  for (const { path, name } of files) {
    const source = await FileByteSource.open(path);
    const own = await readRows(source, { name });
    rows.push(...(await withLabels(own, path, name)));
    described.push({ name, sizeBytes: source.size, sha256: await sha256(source) });
  }
  return { rows, files: described };
}

/** Adds the labels of `x-labels.lst` beside `x.jsonl`, if there are any. */
async function withLabels(rows: Row[], path: string, name: string): Promise<Row[]> {
  const file = labelFile(path);
  if (file === undefined) return rows;
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return rows;
  const labels = text.split(/\r?\n/).filter((line) => line !== "");
  if (labels.length !== rows.length) {
    throw new FormatError(
      `${basename(file)}: expected ${rows.length} labels, one for each row of ${name}, got ${labels.length}. Fetch both files again.`,
    );
  }
  return rows.map(({ id, value }, i) => ({ id, value: { ...value, label: labels[i] } }));
}

function labelFile(path: string): string | undefined {
  const match = /^(.*)\.jsonl(?:\.gz)?$/.exec(path);
  return match ? `${match[1]!}-labels.lst` : undefined;
}

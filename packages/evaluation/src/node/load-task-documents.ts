import { access, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorMessage, isSdmPruneError, NotFoundError, type SdmPruneError } from "@sdmprune/core";
import type { Row, SourceFile } from "@sdmprune/data";
import { openRows, readTextFile, type HubDatasetOptions, type RowFiles } from "@sdmprune/data/node";
import type { Task, TaskDocument } from "../task.js";

export interface LoadTaskOptions extends HubDatasetOptions {
  /** A folder with data sets. Without one, they come from the hub and its cache. */
  dataDir?: string;
  /** Only the first so many documents. */
  limit?: number | undefined;
}

/** A task with the documents to evaluate it on. */
export interface LoadedTask {
  readonly task: Task;
  readonly documents: readonly TaskDocument[];
  /** How many documents there are without `limit`. */
  readonly numOriginal: number;
  /** The files they were read from. */
  readonly files: readonly SourceFile[];
}

const EXTENSIONS = ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "json.gz"];

/**
 * Reads a task's documents: from `dataDir` if it is given, else from the hub. In `dataDir` it looks for the file's
 * usual name, then `<task>.jsonl` (or another format), then a folder `<task>`, `<org>/<name>` or `<name>` laid out as
 * on the hub.
 *
 * @throws {NotFoundError} If there are no data; the message lists where they were looked for.
 * @throws {FormatError} If a file is malformed or a row has not the task's columns.
 */
export async function loadTaskDocuments(task: Task, options: LoadTaskOptions = {}): Promise<LoadedTask> {
  const { rows, files } = await taskRows(task, options);
  if (rows.length === 0) {
    throw new NotFoundError(
      `${task.name}: expected documents, got an empty ${files[0]?.name ?? "data set"}.`,
    );
  }
  const documents = rows.slice(0, options.limit ?? rows.length).map((row) => task.document(row));
  return { task, documents, numOriginal: rows.length, files };
}

async function taskRows(task: Task, { dataDir, limit: _limit, ...hub }: LoadTaskOptions): Promise<RowFiles> {
  const { file, repo, selection } = task.data;
  if (file !== undefined) return readPlace(task, file);
  if (dataDir !== undefined) return readPlace(task, await findLocal(task, dataDir));
  if (repo === undefined) {
    throw new NotFoundError(`${task.name}: expected a folder with its data. Give one with --data-dir DIR.`);
  }
  const spec = `hub:${repo}${selection ? `:${selection}` : ""}`;
  try {
    return await openRows(spec, hub);
  } catch (cause) {
    throw explained(task, cause, "Give a folder with the data with --data-dir DIR.");
  }
}

async function findLocal(task: Task, dataDir: string): Promise<string> {
  if (!(await exists(dataDir))) {
    throw new NotFoundError(
      `data-dir: expected a folder with data sets, got "${dataDir}", which is not there.`,
    );
  }
  const { localFiles = [], repo } = task.data;
  const places = [
    ...localFiles,
    ...EXTENSIONS.map((extension) => `${task.name}.${extension}`),
    task.name,
    ...(repo === undefined ? [] : [repo, basename(repo)]),
  ];
  for (const place of places) if (await exists(join(dataDir, place))) return join(dataDir, place);
  const named = [localFiles[0], `${task.name}.jsonl`, `${task.name}/`, repo && `${repo}/`].filter((x) => x);
  throw new NotFoundError(
    `${task.name}: expected its data in ${dataDir}, got none of ${named.join(", ")}. Put them there, or leave --data-dir out to download them.`,
  );
}

async function readPlace(task: Task, path: string): Promise<RowFiles> {
  try {
    const { selection, rowsOfText } = task.data;
    if (rowsOfText && /\.(txt|raw|text)(\.gz)?$/.test(path)) return await textRows(path, rowsOfText);
    return await openRows(path, selection === undefined ? {} : { selection });
  } catch (cause) {
    throw explained(task, cause, "");
  }
}

async function textRows(
  path: string,
  rowsOfText: (text: string) => readonly Readonly<Record<string, unknown>>[],
): Promise<RowFiles> {
  const name = basename(path);
  const { text, sha256 } = await readTextFile(path, { format: "text" });
  const rows = rowsOfText(text).map((value, i): Row => ({ id: `${name}: row ${i + 1}`, value }));
  return { rows, files: [{ name, sizeBytes: (await stat(path)).size, sha256 }] };
}

function explained(task: Task, cause: unknown, hint: string): unknown {
  if (!isSdmPruneError(cause)) return cause;
  const message = `${task.name}: ${errorMessage(cause)}${hint === "" ? "" : ` ${hint}`}`;
  return new (cause.constructor as typeof SdmPruneError)(message, { cause });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

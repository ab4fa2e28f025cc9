import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { errorMessage, FormatError, NotFoundError } from "@sdmprune/core";
import type { CheckpointResults, StoredTask } from "../checkpoint-table.js";
import type { StoredSample, StoredSamples } from "../compare-samples.js";

const RESULTS = /^(?:perplexity_)?results_(.+)\.json$/;
const SAMPLES = /^samples_(.+)_(\d{4}-\d{2}-\d{2}T[\d.-]+)\.jsonl$/;

/**
 * Reads the results under some folders, ours or lm-eval's: one entry for each folder with results files, of several
 * with the same task the newest. A folder of `checkpoint-N` is called N, as in SDMPrune's `show_res`; where two
 * would be called the same, each by its path.
 *
 * @throws {NotFoundError} If a folder is missing or has no results.
 * @throws {FormatError} If a results file is malformed.
 */
export async function readCheckpointResults(folders: readonly string[]): Promise<CheckpointResults[]> {
  const found = await Promise.all(
    folders.map(async (folder) => [folder, await filesUnder(folder, RESULTS)] as const),
  );
  const checkpoints = new Map<string, { name: string; tasks: Map<string, StoredTask> }>();
  for (const [folder, files] of found) {
    if (files.length === 0) {
      throw new NotFoundError(`${folder}: expected results_*.json in the folder or below, got none.`);
    }
    // Oldest first: the date is in the name, and later ones replace earlier ones.
    for (const file of files.sort((a, b) =>
      compareText(RESULTS.exec(basename(a))![1]!, RESULTS.exec(basename(b))![1]!),
    )) {
      const place = dirname(file);
      const entry = checkpoints.get(place) ?? { name: checkpointName(folder, place), tasks: new Map() };
      checkpoints.set(place, entry);
      for (const task of await readTasks(file)) entry.tasks.set(task.name, task);
    }
  }
  const names = [...checkpoints.values()].map(({ name }) => name);
  const isTwice = (name: string): boolean => names.indexOf(name) !== names.lastIndexOf(name);
  return [...checkpoints]
    .map(([place, { name, tasks }]) => ({ name: isTwice(name) ? place : name, tasks: [...tasks.values()] }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/**
 * Reads the samples under a folder, ours or those of lm-eval's `--log_samples`; of several of one task the newest.
 *
 * @throws {NotFoundError} If there are none.
 * @throws {FormatError} If a file is malformed, or the folder holds samples of several models.
 */
export async function readSamples(folder: string): Promise<StoredSamples> {
  const files = await filesUnder(folder, SAMPLES);
  if (files.length === 0) {
    throw new NotFoundError(
      `${folder}: expected samples_*.jsonl in the folder or below, got none. Run sdmprune eval with -o, or lm_eval with --log_samples.`,
    );
  }
  const places = [...new Set(files.map((file) => dirname(file)))];
  if (places.length > 1) {
    throw new FormatError(
      `${folder}: expected the samples of one model, got those of ${places.length}. Name one of ${places.join(", ")}.`,
    );
  }
  const newest = new Map<string, { date: string; file: string }>();
  for (const file of files) {
    const [, task, date] = SAMPLES.exec(basename(file))!;
    if (compareText(newest.get(task!)?.date ?? "", date!) < 0) newest.set(task!, { date: date!, file });
  }
  const samples = new Map<string, readonly StoredSample[]>();
  for (const [task, { file }] of newest) samples.set(task, await readSampleFile(file));
  return samples;
}

async function filesUnder(folder: string, name: RegExp): Promise<string[]> {
  const isFolder = await stat(folder).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!isFolder)
    throw new NotFoundError(`${folder}: expected a folder with results, got none there. Check the path.`);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort(compareText);
}

async function readTasks(file: string): Promise<StoredTask[]> {
  const value = parseJson(await readFile(file, "utf8"), file);
  const results = isRecord(value) ? value["results"] : undefined;
  if (!isRecord(results)) {
    throw new FormatError(`${file}: expected an object with "results", as lm-eval writes it, got another.`);
  }
  return Object.entries(results).map(([name, entry]) => {
    if (!isRecord(entry))
      throw new FormatError(`${file}: expected an object for task "${name}", got ${typeof entry}.`);
    const metrics = Object.entries(entry).flatMap(([key, number]) => {
      const [metric, filter] = key.split(",");
      if (filter === undefined || typeof number !== "number" || metric!.endsWith("_stderr")) return [];
      const stderr = entry[`${metric}_stderr,${filter}`];
      return [{ metric: metric!, value: number, stderr: typeof stderr === "number" ? stderr : undefined }];
    });
    const alias = entry["alias"];
    return { name, alias: typeof alias === "string" ? alias.trim() : name, metrics };
  });
}

async function readSampleFile(file: string): Promise<StoredSample[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const samples = lines.map((line, i): StoredSample => {
    const sample = parseJson(line, `${file}: line ${i + 1}`);
    if (!isRecord(sample) || typeof sample["doc_id"] !== "number") {
      throw new FormatError(`${file}: line ${i + 1}: expected a sample with "doc_id", got another object.`);
    }
    const metrics = Object.entries(sample).flatMap(([key, value]) =>
      typeof value === "number" && key !== "doc_id" ? [[key, value] as const] : [],
    );
    return {
      docId: sample["doc_id"],
      promptHash: String(sample["prompt_hash"]),
      targetHash: String(sample["target_hash"]),
      metrics: Object.fromEntries(metrics),
    };
  });
  return samples.sort((a, b) => a.docId - b.docId);
}

function checkpointName(folder: string, place: string): string {
  const number = /checkpoint-(\d+)/.exec(place)?.[1];
  return number ?? (relative(folder, place) || basename(place));
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${where}: expected JSON, got text that is not (${errorMessage(cause)}).`, {
      cause,
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

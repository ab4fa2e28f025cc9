import { NotFoundError, UsageError } from "@sdmprune/core";
import { formatOfName, type DatasetFormat } from "../dataset-format.js";

export const HUB_PREFIX = "hub:";

/** What `hub:org/name@revision:selection` says. */
export interface HubDatasetSpec {
  readonly repo: string;
  readonly revision: string | undefined;
  /** `config`, `split`, `config/split` or the path of a file. */
  readonly selection: string | undefined;
}

/** @throws {UsageError} If `spec` has another form. */
export function parseHubSpec(spec: string): HubDatasetSpec {
  const match = /^hub:([\w.-]+\/[\w.-]+)(?:@([^:\s]+))?(?::(\S+))?$/.exec(spec);
  if (!match) {
    throw new UsageError(
      `${spec}: expected hub:org/name, hub:org/name:config/split or hub:org/name:path/of/file, each perhaps with ` +
        `@revision after the name.`,
    );
  }
  return { repo: match[1]!, revision: match[2], selection: match[3] };
}

/** More files than this are not downloaded without being asked for one by one: C4 has thousands, of 0.3 GB each. */
const MAX_FILES = 8;

/** When the same rows are offered in several formats, the first of these is taken. */
const FORMAT_ORDER: readonly DatasetFormat[] = ["parquet", "jsonl", "json", "csv", "text"];

/**
 * Chooses the files of a data set's repository: the one at the path `selection`; else those with `selection`'s
 * words in their path (`config/split` by the hub's habits: `config/split-00000-of-00001.parquet`,
 * `data/split-….parquet` for the config `default`, `split.jsonl`); else all. Sorted by path.
 *
 * @param place - Where `paths` are, for messages.
 * @throws {NotFoundError} If no file fits; the message lists some that there are.
 * @throws {UsageError} If they are too many to be meant.
 */
export function chooseDatasetFiles(
  paths: readonly string[],
  spec: string,
  place = "repository",
): readonly string[] {
  const { repo, selection } = parseHubSpec(spec);
  return chooseFiles(paths, { label: spec, selection, place, example: `hub:${repo}:path/of/file` });
}

/**
 * As {@link chooseDatasetFiles}, of any list of paths.
 *
 * @param label - What the caller asked for, for messages.
 * @param place - Where `paths` are.
 * @param example - How a file is named to the caller.
 */
export function chooseFiles(
  paths: readonly string[],
  {
    label,
    selection,
    place,
    example,
  }: { label: string; selection: string | undefined; place: string; example: string },
): readonly string[] {
  const readable: readonly string[] = paths.filter(isDataFile).sort();
  const exact = readable.filter((path) => path === selection);
  if (exact.length > 0) return exact;
  const words = (selection ?? "").split("/").filter((word) => word !== "" && word !== "default");
  const fitting = words.reduce(filesOfWord, readable);
  const format = FORMAT_ORDER.find((each) => fitting.some((path) => formatOfName(path) === each));
  const chosen = fitting.filter((path) => formatOfName(path) === format);
  if (chosen.length === 0) {
    throw new NotFoundError(
      `${label}: expected .parquet, .jsonl, .json, .csv or .txt files${selection === undefined ? "" : ` for "${selection}"`}, ` +
        `got none in the ${place}, which has ${listSome(readable.length > 0 ? readable : paths)}. Name one: ${example}.`,
    );
  }
  if (chosen.length > MAX_FILES) {
    throw new UsageError(
      `${label}: expected at most ${MAX_FILES} files, got ${chosen.length}. Name one: ${example.replace("path/of/file", chosen[0]!)}.`,
    );
  }
  return chosen;
}

/** Whether a file may hold rows: READMEs, hidden files and the hub's own descriptions do not. */
function isDataFile(path: string): boolean {
  const name = path.split("/").at(-1)!;
  return (
    formatOfName(name) !== undefined && !/^\.|\.md$|^(dataset_infos?|state|config)\.json$|^readme/i.test(name)
  );
}

/** The files in a folder called `word`, or, without such a folder, those with `word` in their path. */
function filesOfWord(paths: readonly string[], word: string): readonly string[] {
  const inFolder = paths.filter((path) => path.split("/").slice(0, -1).includes(word));
  return inFolder.length > 0 ? inFolder : paths.filter((path) => hasWord(path, word));
}

/** Whether `word` stands in `path` with no letter or digit next to it. */
function hasWord(path: string, word: string): boolean {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`(^|[^a-z0-9])${escaped}([^a-z0-9]|$)`, "i").test(path);
}

function listSome(paths: readonly string[]): string {
  const shown = paths.slice(0, 5);
  if (paths.length > shown.length) shown.push(`${paths.length - shown.length} more`);
  return shown.length > 0 ? shown.join(", ") : "no files";
}

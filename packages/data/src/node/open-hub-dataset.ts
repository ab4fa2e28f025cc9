import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { downloadChosen, type DownloadOptions } from "@sdmprune/model-io/node";
import { chooseDatasetFiles, parseHubSpec } from "./hub-dataset-files.js";

/** How to reach the hub; what is left out comes from the environment, as for checkpoints. */
export type HubDatasetOptions = Omit<DownloadOptions, "repo" | "revision">;

/** A downloaded file of a data set. */
export interface HubDatasetFile {
  /** Where it is on disk. */
  readonly path: string;
  /** `org/name/path/in/repo`. */
  readonly name: string;
}

/**
 * Downloads the files of the data set that `spec` names into the shared cache of Hugging Face libraries.
 *
 * @throws {UsageError} If `spec` is malformed or means too many files.
 * @throws {NotFoundError} If there is no such data set or file.
 */
export async function openHubDataset(
  spec: string,
  options: HubDatasetOptions,
): Promise<readonly HubDatasetFile[]> {
  const { repo, revision } = parseHubSpec(spec);
  let chosen: readonly string[] | undefined;
  const request: DownloadOptions = { ...options, repo };
  if (revision !== undefined) request.revision = revision;
  const dir = await downloadChosen({ ...request, type: "dataset" }, async function* (paths) {
    chosen = chooseDatasetFiles(paths, spec);
    yield chosen;
  });
  chosen ??= chooseDatasetFiles(await listFolder(dir), spec, "cache"); // offline: of what is in the cache
  return chosen.map((path) => ({ path: join(dir, path), name: `${repo}/${path}` }));
}

/** Paths of all files under `dir`, links to files counted, with `/`. */
async function listFolder(dir: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true });
  const paths = await Promise.all(
    names.map(async (name) =>
      (await stat(join(dir, name))).isFile() ? [relative(dir, join(dir, name))] : [],
    ),
  );
  return paths.flat().map((path) => path.split(sep).join("/"));
}

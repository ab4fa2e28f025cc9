import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import {
  FormatError,
  NotFoundError,
  type ProgressListener,
  silentProgress,
  startTask,
  UsageError,
} from "@sdmprune/core";
import { isPlainRelativePath } from "../file-name.js";
import { downloadFile, type HubFile } from "./download-file.js";
import { HubCache, type HubRepoType } from "./hub-cache.js";
import { hubFetch, withRetries } from "./hub-request.js";
import { type HubSettings, hubSettings } from "./hub-settings.js";

export interface DownloadOptions extends Partial<HubSettings> {
  /** `org/name`. */
  repo: string;
  /** Branch, tag or commit; `main` by default. */
  revision?: string;
  /** Told about bytes, and about a fall back to the cache. */
  progress?: ProgressListener;
  /** Replaces the global `fetch`, for instance to go through a proxy. */
  fetch?: typeof fetch;
  /** Stops the download; what has arrived stays for the next one to go on with. */
  signal?: AbortSignal;
  /** Wait before a failed request is tried again; doubled each time. */
  retryDelayMs?: number;
}

export interface DownloadRepoOptions extends DownloadOptions {
  type: HubRepoType;
  /** Which files to download, by their path in the repository. All by default. */
  select?: (path: string) => boolean;
}

/**
 * A chooser of files: called with the paths of a repository and the folder they arrive in, it gives groups
 * of paths to download; it may read what an earlier group brought.
 */
export type FileChooser = (paths: readonly string[], dir: string) => AsyncIterable<readonly string[]>;

/**
 * Downloads files of a repository into the cache that all Hugging Face libraries share, and nothing that is
 * already there. Offline, or when the hub does not answer, a cached revision is used as it is.
 *
 * @returns The snapshot folder.
 * @throws {NotFoundError} If repository, revision or hub cannot be reached and nothing is cached.
 * @throws {FormatError} If a file arrives damaged.
 */
export async function downloadRepo({
  select = () => true,
  ...options
}: DownloadRepoOptions): Promise<string> {
  return downloadChosen(options, async function* (paths) {
    yield paths.filter(select);
  });
}

/** As `downloadRepo`, for a choice of files that depends on what some of them say. */
export async function downloadChosen(
  options: DownloadOptions & { type: HubRepoType },
  choose: FileChooser,
): Promise<string> {
  const { type, repo, revision = "main", progress = silentProgress, signal, retryDelayMs } = options;
  assertNames(repo, revision);
  const settings = await hubSettings(options);
  const cache = new HubCache(settings.cacheDir, type, repo);
  const name = revision === "main" ? repo : `${repo}@${revision}`;
  if (settings.offline) {
    const cached = await cache.find(revision);
    if (cached !== undefined) return cached;
    throw new NotFoundError(
      `${name}: expected it in the cache (${settings.cacheDir}), as HF_HUB_OFFLINE is set, got nothing. Download it once online.`,
    );
  }
  const request = hubFetch(settings, options.fetch, signal);
  let listing: { commit: string; files: Map<string, HubFile> };
  try {
    const fetchListing = () => listRepo(type, repo, revision, settings.hubUrl, request);
    listing = await withRetries(fetchListing, name, settings, { delayMs: retryDelayMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    const cached = await cache.find(revision);
    if (cached === undefined || !(error instanceof NotFoundError) || !isUnreachable(error)) throw error;
    progress({ type: "warning", message: `${error.message} Using the cached copy.` });
    return cached;
  }

  const { commit, files } = listing;
  const dir = cache.snapshot(commit);
  const context = { type, repo, commit, cache, settings, fetch: request, retryDelayMs, signal };
  for await (const chosen of choose([...files.keys()], dir)) {
    const group = chosen.map((path) => files.get(path)!);
    const total = group.reduce((sum, { size }) => sum + size, 0);
    const task = startTask(progress, `download ${name}`, { total, unit: "bytes" });
    let before = 0;
    for (const file of group) {
      signal?.throwIfAborted();
      const onBytes = (bytes: number) => task.advance(before + bytes);
      await downloadFile(file, { ...context, onBytes });
      before += file.size;
    }
    task.end();
  }
  await cache.writeRef(revision, commit);
  return dir;
}

/** The commit a revision stands for, and its files by path. */
async function listRepo(
  type: HubRepoType,
  repo: string,
  revision: string,
  hubUrl: string,
  request: typeof fetch,
): Promise<{ commit: string; files: Map<string, HubFile> }> {
  const query = { name: repo, revision, hubUrl, fetch: request };
  const { sha: commit } =
    type === "model"
      ? await modelInfo({ ...query, additionalFields: ["sha"] })
      : await datasetInfo({ ...query, additionalFields: ["sha"] });
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    throw new FormatError(`${repo}: expected a commit hash from ${hubUrl}, got ${JSON.stringify(commit)}.`);
  }
  const files = new Map<string, HubFile>();
  const entries = listFiles({
    repo: { type, name: repo },
    revision: commit,
    recursive: true,
    hubUrl,
    fetch: request,
  });
  for await (const { type: kind, path, size, oid, lfs } of entries) {
    if (kind !== "file") continue;
    const etag = lfs?.oid ?? oid ?? "";
    if (
      !isPlainRelativePath(path) ||
      !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) ||
      !Number.isSafeInteger(size)
    ) {
      throw new FormatError(
        `${repo}: expected a listing of plain file names with hashes, got ${JSON.stringify(path)}.`,
      );
    }
    files.set(path, { path, size, etag });
  }
  return { commit, files };
}

function assertNames(repo: string, revision: string): void {
  if (!isHubId(repo))
    throw new UsageError(`repo: expected a hub id such as "org/name", got ${JSON.stringify(repo)}.`);
  if (!isPlainRelativePath(revision)) {
    throw new UsageError(`revision: expected a branch, tag or commit, got ${JSON.stringify(revision)}.`);
  }
}

/** Whether a name has the form of a repository's: `name` or `org/name`. */
export function isHubId(name: string): boolean {
  return (
    name.length <= 96 &&
    /^([A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*$/.test(name) &&
    !/--|\.\.|[.-](\/|$)/.test(name)
  );
}

/** Whether the hub gave no answer at all, or broke down; a "no" is an answer. */
function isUnreachable(error: NotFoundError): boolean {
  const status = (error.cause as { statusCode?: number } | undefined)?.statusCode;
  return status === undefined || status === 429 || status >= 500;
}

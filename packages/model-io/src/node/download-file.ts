import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { downloadFile as openRemoteFile } from "@huggingface/hub";
import { FormatError, NotFoundError } from "@sdmprune/core";
import { contentHash, type HubCache, type HubRepoType } from "./hub-cache.js";
import { withRetries } from "./hub-request.js";
import type { HubSettings } from "./hub-settings.js";

/** A file of a repository, as its listing describes it. */
export interface HubFile {
  path: string;
  size: number;
  /** SHA-256 of large files, git's blob id of others: the name of the blob in the cache. */
  etag: string;
}

/** Everything the download of one file needs to know. */
export interface DownloadContext {
  type: HubRepoType;
  repo: string;
  commit: string;
  cache: HubCache;
  settings: HubSettings;
  fetch: typeof fetch;
  retryDelayMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Told the bytes of this file that have arrived. */
  onBytes: (bytes: number) => void;
}

/**
 * Brings a file into the cache, unless it is there. A broken transfer goes on where it stopped; a file whose
 * size or hash is not what the listing says is never let in.
 *
 * @throws {NotFoundError} If the hub does not answer or does not give the file.
 * @throws {FormatError} If what arrives is not what the listing says.
 */
export async function downloadFile(file: HubFile, context: DownloadContext): Promise<void> {
  const { cache, commit, settings, retryDelayMs, signal, onBytes } = context;
  const { path, size, etag } = file;
  if (await cache.has(commit, path, size)) return onBytes(size);
  const blob = cache.blob(etag);
  const cached = await stat(blob).catch(() => undefined);
  if (cached?.size !== size) {
    const what = `${context.repo}/${path}`;
    const incomplete = await cache.incomplete(etag);
    let done = incomplete.size > size ? 0 : incomplete.size;
    await withRetries(
      async () => {
        done = await transfer(file, context, incomplete.path, done).catch(async (error: unknown) => {
          done = await stat(incomplete.path).then(
            ({ size }) => size,
            () => 0,
          );
          throw error;
        });
      },
      what,
      settings,
      { delayMs: retryDelayMs, signal },
    );
    await verify(file, incomplete.path, what);
    await rename(incomplete.path, blob);
  }
  await cache.link(commit, path, etag);
  onBytes(size);
}

/** Appends what is missing to the file at `target`; returns its size. */
async function transfer(
  file: HubFile,
  context: DownloadContext,
  target: string,
  start: number,
): Promise<number> {
  const { type, repo, commit, settings, onBytes } = context;
  const output = await open(target, start === 0 ? "w" : "a");
  try {
    if (start < file.size) {
      const blob = await openRemoteFile({
        repo: { type, name: repo },
        path: file.path,
        revision: commit,
        hubUrl: settings.hubUrl,
        fetch: context.fetch,
      });
      if (blob === null) {
        throw new NotFoundError(
          `${repo}/${file.path}: expected a file, got status 404. Was it removed just now?`,
        );
      }
      const rest = start === 0 ? blob : blob.slice(start, file.size);
      for await (const piece of rest.stream() as unknown as AsyncIterable<Uint8Array>) {
        await output.writeFile(piece);
        start += piece.byteLength;
        onBytes(start);
      }
      if (start < file.size) throw new TypeError(`the transfer ended after ${start} of ${file.size} bytes`);
    }
    await output.sync();
    return start;
  } finally {
    await output.close();
  }
}

async function verify({ size, etag }: HubFile, path: string, what: string): Promise<void> {
  const hash = contentHash(etag, size);
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Uint8Array>) {
    hash.update(piece);
    bytes += piece.byteLength;
  }
  const got = hash.digest("hex");
  if (bytes === size && got === etag) return;
  await rm(path, { force: true });
  throw new FormatError(
    `${what}: expected ${size} bytes with hash ${etag}, got ${bytes} with ${got}. It was thrown away; download again.`,
  );
}

import { createHash, type Hash } from "node:crypto";
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { isPlainRelativePath } from "../file-name.js";
import { isProcessAlive } from "./is-process-alive.js";
import { writeFileAtomic } from "./write-file-atomic.js";

/** Kinds of repositories on the hub. */
export type HubRepoType = "model" | "dataset";

const COMMIT = /^[0-9a-f]{40}$/;

/**
 * One repository in the cache that all Hugging Face libraries share:
 * `models--org--name/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<file> -> blob}`.
 */
export class HubCache {
  readonly dir: string;

  constructor(cacheDir: string, type: HubRepoType, repo: string) {
    this.dir = join(resolve(cacheDir), [`${type}s`, ...repo.split("/")].join("--"));
  }

  snapshot(commit: string): string {
    return join(this.dir, "snapshots", commit);
  }

  blob(etag: string): string {
    return join(this.dir, "blobs", etag);
  }

  /** The snapshot folder of a cached revision (branch, tag or commit); undefined if it is not cached. */
  async find(revision: string): Promise<string | undefined> {
    const commit = COMMIT.test(revision) ? revision : await this.#readRef(revision);
    if (commit === undefined) return undefined;
    const entries = await readdir(this.snapshot(commit)).catch(() => []);
    return entries.length > 0 ? this.snapshot(commit) : undefined;
  }

  /** Records what commit a branch or tag stands for, for later use without a network. */
  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    await writeFileAtomic(join(this.dir, "refs", ...revision.split("/")), commit);
  }

  /** Whether a snapshot holds a file of this size. */
  async has(commit: string, path: string, size: number): Promise<boolean> {
    const file = await stat(join(this.snapshot(commit), path)).catch(() => undefined);
    return file?.isFile() === true && file.size === size;
  }

  /** Makes a file of a snapshot point to a blob; a copy where the system has no links. */
  async link(commit: string, path: string, etag: string): Promise<void> {
    const pointer = join(this.snapshot(commit), path);
    await mkdir(dirname(pointer), { recursive: true });
    const target = relative(dirname(pointer), this.blob(etag));
    if ((await readlink(pointer).catch(() => undefined)) === target) return;
    const temporary = `${pointer}.tmp-${process.pid}`;
    await rm(temporary, { force: true });
    await symlink(target, temporary).catch(() => copyFile(this.blob(etag), temporary));
    await rename(temporary, pointer);
  }

  /**
   * A file to download a blob into. What a killed run left of the same blob is taken over, so that the
   * download goes on where it stopped.
   */
  async incomplete(etag: string): Promise<{ path: string; size: number }> {
    const folder = dirname(this.blob(etag));
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${etag}.${process.pid}.incomplete`);
    for (const name of await readdir(folder)) {
      const pid = name.startsWith(`${etag}.`) ? /\.(\d+)\.incomplete$/.exec(name)?.[1] : undefined;
      if (pid === undefined || Number(pid) === process.pid || isProcessAlive(Number(pid))) continue;
      await rename(join(folder, name), path).catch(() => undefined); // another process may take it first
    }
    const size = await lstat(path).then(
      (file) => file.size,
      () => 0,
    );
    return { path, size };
  }

  async #readRef(revision: string): Promise<string | undefined> {
    if (!isPlainRelativePath(revision)) return undefined;
    const text = await readFile(join(this.dir, "refs", ...revision.split("/")), "utf8").catch(() => "");
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }
}

/**
 * The hash that the hub knows a file by: SHA-256 of the contents for large files, git's blob id for others.
 */
export function contentHash(etag: string, size: number): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

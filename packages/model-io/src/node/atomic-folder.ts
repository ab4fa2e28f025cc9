import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { errorMessage, SdmPruneError, UsageError } from "@sdmprune/core";
import { isPlainRelativePath } from "../file-name.js";
import { withDiskErrors } from "./disk-error.js";
import { isProcessAlive } from "./is-process-alive.js";
import { syncFolder } from "./sync-to-disk.js";
import { writeFileSynced } from "./write-file-atomic.js";

export interface AtomicFolderOptions {
  /** Replace a folder that already stands there. Default false: it is an error. */
  force?: boolean;
}

/** Folders of this process that are being filled, so that its own number does not mark them as stale. */
const active = new Set<string>();

/**
 * A folder that appears whole or not at all. It is filled beside its place, as `.<name>.tmp-<pid>`, and
 * renamed when everything has reached the disk. With `force` the old folder is moved aside
 * (`.<name>.old-<pid>`), the new one renamed, and only then the old one deleted.
 *
 * What killed runs left behind is cleared when the next folder of that name is begun: an unfinished folder
 * is deleted, and an old one whose successor never arrived is moved back.
 */
export class AtomicFolder {
  private constructor(
    /** Where the folder will stand. */
    readonly target: string,
    /** Where it is filled: write files here, or with `writeFile`. */
    readonly path: string,
    private readonly force: boolean,
  ) {}

  /**
   * Begins a folder. End it with `commit` or `discard`.
   *
   * @throws {UsageError} If `target` exists, is not an empty folder, and `force` is not given; or if this
   *   process is filling it already.
   */
  static async begin(target: string, { force = false }: AtomicFolderOptions = {}): Promise<AtomicFolder> {
    const place = resolve(target);
    await withDiskErrors(target, () => mkdir(dirname(place), { recursive: true }));
    const path = temporaryName(place, "tmp", process.pid);
    if (active.has(path)) throw new UsageError(`${target}: expected one writer at a time, got a second one.`);
    active.add(path);
    try {
      await recoverFolder(place);
      await assertReplaceable(place, force);
      await withDiskErrors(target, () => mkdir(path));
    } catch (error) {
      active.delete(path);
      throw error;
    }
    return new AtomicFolder(place, path, force);
  }

  /**
   * Writes a file and syncs it to disk.
   *
   * @param name - Its name, or a relative path with `/`.
   * @param data - The contents, or pieces of them in order.
   * @throws {UsageError} If the name would lead out of the folder.
   */
  async writeFile(
    name: string,
    data: string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    if (!isPlainRelativePath(name)) {
      throw new UsageError(
        `${this.target}: expected the name of a file inside it, got ${JSON.stringify(name)}.`,
      );
    }
    const file = join(this.path, name);
    await withDiskErrors(join(this.target, name), async () => {
      await mkdir(dirname(file), { recursive: true });
      await writeFileSynced(file, data);
    });
  }

  /** Puts the folder in its place. */
  async commit(): Promise<void> {
    await syncTree(this.path);
    await assertReplaceable(this.target, this.force);
    const aside = temporaryName(this.target, "old", process.pid);
    const hadOld = await exists(this.target);
    if (hadOld) await withDiskErrors(this.target, () => rename(this.target, aside));
    try {
      await rename(this.path, this.target);
    } catch (cause) {
      if (hadOld) await rename(aside, this.target);
      throw new SdmPruneError(`${this.target}: could not be put in place: ${errorMessage(cause)}.`, {
        cause,
      });
    }
    active.delete(this.path);
    await syncFolder(dirname(this.target));
    if (hadOld) await rm(aside, { recursive: true, force: true });
  }

  /** Deletes what was written so far. Harmless after `commit`. */
  async discard(): Promise<void> {
    if (!active.delete(this.path)) return;
    await rm(this.path, { recursive: true, force: true });
  }
}

/**
 * Clears what killed runs left beside `target`: deletes unfinished folders, and moves an old folder back if
 * no new one took its place. Folders of processes that still run are left alone.
 */
export async function recoverFolder(target: string): Promise<void> {
  const place = resolve(target);
  const parent = dirname(place);
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const leftover = parseTemporaryName(name, basename(place));
    if (leftover === undefined || isRunning(leftover.pid, join(parent, name))) continue;
    const path = join(parent, name);
    if (leftover.kind === "old" && !(await exists(place))) {
      await rename(path, place);
    } else {
      await rm(path, { recursive: true, force: true });
    }
  }
}

function temporaryName(place: string, kind: "tmp" | "old", pid: number): string {
  return join(dirname(place), `.${basename(place)}.${kind}-${pid}`);
}

function parseTemporaryName(name: string, base: string): { kind: string; pid: number } | undefined {
  if (!name.startsWith(`.${base}.`)) return undefined;
  const match = /^(tmp|old)-(\d+)$/.exec(name.slice(base.length + 2));
  return match === null ? undefined : { kind: match[1]!, pid: Number(match[2]) };
}

/** Whether the process that made a temporary folder still lives. In a container a dead one may have had our number. */
function isRunning(pid: number, path: string): boolean {
  return pid === process.pid ? active.has(path) : isProcessAlive(pid);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Refuses a place where something stands already, for a check before a long run.
 *
 * @throws {UsageError} If it exists, is not an empty folder, and `force` is not given.
 */
export async function assertReplaceable(target: string, force: boolean): Promise<void> {
  const place = resolve(target);
  if (force || !(await exists(place))) return;
  const entries = await readdir(place).catch(() => undefined);
  if (entries?.length === 0) return;
  const what = entries === undefined ? "a file" : "a folder with files in it";
  throw new UsageError(`${place}: expected nothing there yet, got ${what}. Use force to replace it.`);
}

/** Waits until every file and folder of a tree has reached the disk. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await syncTree(path);
    } else if (entry.isFile()) {
      const file = await open(path, "r+");
      await file.sync().finally(() => file.close());
    }
  }
  await syncFolder(folder);
}

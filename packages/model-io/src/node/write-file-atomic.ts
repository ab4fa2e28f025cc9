import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { withDiskErrors } from "./disk-error.js";
import { syncFolder } from "./sync-to-disk.js";

let counter = 0;

/**
 * Writes a file that is either whole or not there: to a sibling `.<name>.tmp-<pid>-<n>`, synced to disk,
 * then renamed over `path`. Makes the folder if it is missing.
 *
 * @param data - The contents, or pieces of them in order; at most one piece is held at a time.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const target = resolve(path);
  const temporary = join(dirname(target), `.${basename(target)}.tmp-${process.pid}-${++counter}`);
  await withDiskErrors(path, async () => {
    await mkdir(dirname(target), { recursive: true });
    try {
      await writeFileSynced(temporary, data);
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  });
}

/** Writes a new file and waits until its contents have reached the disk. */
export async function writeFileSynced(
  path: string,
  data: string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const file = await open(path, "w");
  try {
    if (typeof data === "string" || data instanceof Uint8Array) {
      await file.writeFile(data);
    } else {
      for await (const piece of data) await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

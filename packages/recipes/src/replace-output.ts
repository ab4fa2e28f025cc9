import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { UsageError } from "@sdmprune/core";
import { AtomicFolder } from "@sdmprune/model-io/node";

/**
 * Begins an output folder. `force` replaces a checkpoint folder and nothing else: a slip in the name must not
 * delete somebody's files.
 *
 * @param source - Folder of the model that is read.
 * @throws {UsageError} If something stands there that may not be replaced.
 * @throws {SdmPruneError} If the place cannot be written to.
 */
export async function beginOutput(output: string, source: string, force: boolean): Promise<AtomicFolder> {
  const folder = await AtomicFolder.begin(output, { force });
  try {
    if (force) await assertReplaceable(output, source);
    return folder;
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

async function assertReplaceable(output: string, source: string): Promise<void> {
  const entry = await stat(output).catch(() => undefined);
  if (!entry) return;
  if (!entry.isDirectory()) throw new UsageError(`${output}: expected a folder to replace, got a file.`);
  const names = await readdir(output);
  if (names.length > 0 && !names.includes("config.json")) {
    throw new UsageError(
      `${output}: expected a checkpoint folder to replace, got a folder without config.json. Choose another place, or empty it yourself.`,
    );
  }
  const inside = relative(await realpath(output), await realpath(source));
  if (inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`)) {
    throw new UsageError(`${output}: the model itself (${source}) is inside it. Choose another place.`);
  }
}

/**
 * Checks that a file may be written, before the work for it starts.
 *
 * @throws {UsageError} If something stands there that may not be replaced.
 */
export async function assertNewFile(output: string, force: boolean): Promise<void> {
  const entry = await lstat(output).catch(() => undefined);
  if (entry?.isDirectory()) throw new UsageError(`${output}: expected a file to write, got a folder.`);
  if (entry && !force)
    throw new UsageError(`${output}: expected nothing there yet, got a file. Use force to replace it.`);
  const parent = await stat(dirname(resolve(output))).catch((error: NodeJS.ErrnoException) => error);
  if (parent instanceof Error ? parent.code !== "ENOENT" : !parent.isDirectory()) {
    throw new UsageError(`${output}: expected a file in a folder, got a path through a file.`);
  }
}

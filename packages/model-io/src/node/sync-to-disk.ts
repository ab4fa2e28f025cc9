import { open } from "node:fs/promises";

/** Waits until a folder's entries have reached the disk. A no-op where folders cannot be opened (Windows). */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } catch (cause) {
    // Some network file systems refuse to sync a folder; they give no such guarantee to anyone.
    if (!["EINVAL", "ENOTSUP", "EISDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
  } finally {
    await folder.close();
  }
}

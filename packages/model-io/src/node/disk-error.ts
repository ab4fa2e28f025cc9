import { errorMessage, isSdmPruneError, SdmPruneError } from "@sdmprune/core";

/**
 * Does `work` that writes to a disk; an error of the system (full, read-only, not permitted) is told in words.
 *
 * @throws {SdmPruneError} If the system refuses; other errors pass.
 */
export async function withDiskErrors<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const isOfSystem = typeof (cause as NodeJS.ErrnoException | undefined)?.errno === "number";
    if (isSdmPruneError(cause) || !isOfSystem) throw cause;
    throw new SdmPruneError(`${where}: could not be written: ${errorMessage(cause)}.`, { cause });
  }
}

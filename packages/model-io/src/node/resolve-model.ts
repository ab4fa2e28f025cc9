import { stat } from "node:fs/promises";
import { NotFoundError } from "@sdmprune/core";
import { downloadCheckpoint } from "./download-checkpoint.js";
import { type DownloadOptions, isHubId } from "./download-repo.js";

/**
 * The folder of a model that is given as a folder or as a hub id (`org/name`, or `org/name@revision`), which
 * is downloaded first unless it is cached.
 *
 * @throws {NotFoundError} If it is neither.
 */
export async function resolveModel(
  model: string,
  options: Omit<DownloadOptions, "repo" | "revision"> = {},
): Promise<string> {
  const entry = await stat(model).catch(() => undefined);
  if (entry?.isDirectory()) return model;
  const [repo = "", revision = "main"] = model.split("@", 2);
  if (entry !== undefined || !isHubId(repo)) {
    const got = entry === undefined ? "a path with nothing there" : "a file";
    const hint = entry && model.endsWith(".gguf") ? " Convert it first with sdmprune convert." : "";
    throw new NotFoundError(
      `${model}: expected a checkpoint folder or a hub id such as "org/name", got ${got}.${hint}`,
    );
  }
  try {
    return await downloadCheckpoint({ ...options, repo, revision });
  } catch (cause) {
    if (!(cause instanceof NotFoundError)) throw cause;
    throw new NotFoundError(`${cause.message} (No folder of that name either.)`, { cause });
  }
}

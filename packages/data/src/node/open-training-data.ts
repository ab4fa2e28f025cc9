import { FileByteSource } from "@sdmprune/model-io/node";
import { concatTrainingData, readTrainingData, textTrainingData } from "../training/read-training-data.js";
import type { TrainingSource } from "../training/training-example.js";
import { sha256, type OpenDocumentsOptions } from "./open-documents.js";
import { findDataFiles } from "./open-rows.js";

/**
 * Opens training data: a file (`.txt`, `.jsonl`, `.json`, `.csv`, `.tsv`, each perhaps `.gz`, or `.parquet`), a
 * folder of them, a registered data set, or `hub:org/name:config/split`. Several are read one after another.
 * Rows with an `instruction` become Alpaca prompts with a response, everything else is plain text.
 *
 * @throws {NotFoundError} If there is nothing of that name.
 */
export async function openTrainingData(
  specs: string | readonly string[],
  options: OpenDocumentsOptions = {},
): Promise<TrainingSource> {
  const list = typeof specs === "string" ? [specs] : specs;
  const opened = await Promise.all(list.map((spec) => openOne(spec, options)));
  const sources = opened.flat();
  return sources.length === 1 ? sources[0]! : concatTrainingData(list.join(", "), sources);
}

async function openOne(spec: string, options: OpenDocumentsOptions): Promise<readonly TrainingSource[]> {
  const { format, textKey, registries, ...hub } = options;
  if (registries?.datasets.has(spec)) return [textTrainingData(await registries.datasets.create(spec))];
  const files = await findDataFiles(spec, hub);
  return Promise.all(
    files.map(async ({ path, name }) =>
      readTrainingData(await FileByteSource.open(path), { name, sha256, format, textKey }),
    ),
  );
}

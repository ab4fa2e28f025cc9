import type { Run } from "@sdmprune/core";
import { openCheckpoint, resolveModel, type FolderCheckpoint } from "@sdmprune/model-io/node";
import { checkTensors, modelFamily, type CausalLMConfig, type ModelFamily } from "@sdmprune/models/families";
import { modelShape, type ModelShape } from "@sdmprune/pruning";

/** A checkpoint folder, checked against the model family its config names. No weights are read yet. */
export interface OpenedModel {
  /** What the user called it: a folder or a hub id. */
  readonly name: string;
  readonly checkpoint: FolderCheckpoint;
  readonly family: ModelFamily;
  readonly config: CausalLMConfig;
  readonly shape: ModelShape;
}

/**
 * Opens a model by folder or hub id (downloaded first, or taken from the cache).
 *
 * @throws {NotFoundError} If there is no such folder or repository.
 * @throws {FormatError} If its files are malformed or do not fit its config.
 */
export async function openModel(run: Run, name: string): Promise<OpenedModel> {
  const dir = await resolveModel(name, { progress: run.progress });
  const checkpoint = await openCheckpoint(dir);
  const family = await modelFamily(run.registries.models, checkpoint.config, `${dir}/config.json`);
  const config = family.parseConfig(checkpoint.config, `${dir}/config.json`);
  checkTensors(checkpoint, family.expectedTensors(config));
  return { name, checkpoint, family, config, shape: shapeOf(checkpoint, family, config) };
}

function shapeOf(checkpoint: FolderCheckpoint, family: ModelFamily, config: CausalLMConfig): ModelShape {
  const shapes = new Map(
    family.expectedTensors(config).map(({ name }) => [name, checkpoint.info(name).shape] as const),
  );
  return modelShape(family.prunableGroups(config), shapes, (name) => family.isEmbedding(name));
}

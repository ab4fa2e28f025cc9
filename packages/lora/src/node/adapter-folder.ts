import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, NotFoundError } from "@sdmprune/core";
import { openSafetensors, parseJsonObject } from "@sdmprune/model-io";
import { FileByteSource, writeFileAtomic, writeSafetensors } from "@sdmprune/model-io/node";
import type { Adapters, ModuleAdapter } from "@sdmprune/models";
import { adapterTensors, readAdapters } from "../adapter-file.js";
import { parseAdapterConfig, toAdapterConfig, type LoraConfig } from "../lora-config.js";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** Adapters from a folder. */
export interface OpenedAdapter {
  readonly config: LoraConfig;
  /** By layer; the caller disposes the matrices, with `disposeAdapters`. */
  readonly adapters: ReadonlyMap<string, ModuleAdapter>;
}

/**
 * Reads a folder with `adapter_config.json` and `adapter_model.safetensors`, ours or PEFT's.
 *
 * @throws {NotFoundError} If there is no adapter.
 * @throws {ConfigError} If it is no plain LoRA.
 * @throws {FormatError} If a file is malformed.
 */
export async function openAdapter(dir: string): Promise<OpenedAdapter> {
  const configPath = join(dir, ADAPTER_CONFIG);
  const text = await readFile(configPath, "utf8").catch((cause: unknown) => {
    throw new NotFoundError(
      `${dir}: expected an adapter folder with ${ADAPTER_CONFIG}, got: ${errorMessage(cause)}.`,
      { cause },
    );
  });
  const config = parseAdapterConfig(parseJsonObject(text, configPath), configPath);
  const weightsPath = join(dir, ADAPTER_WEIGHTS);
  const source = await FileByteSource.open(weightsPath).catch((cause: unknown) => {
    throw new NotFoundError(`${dir}: expected ${ADAPTER_WEIGHTS}, got: ${errorMessage(cause)}.`, { cause });
  });
  return { config, adapters: await readAdapters(await openSafetensors(source, weightsPath), config) };
}

/**
 * Writes adapters so that PEFT and {@link openAdapter} load them. The config comes last: a folder with it is whole.
 *
 * @param base - Name of the model that the adapters belong to.
 */
export async function writeAdapter(
  dir: string,
  adapters: Adapters,
  { config, base }: { config: LoraConfig; base: string },
): Promise<void> {
  await writeSafetensors(join(dir, ADAPTER_WEIGHTS), adapterTensors(adapters));
  const json = toAdapterConfig(config, [...adapters.keys()], base);
  await writeFileAtomic(join(dir, ADAPTER_CONFIG), `${JSON.stringify(json, null, 2)}\n`);
}

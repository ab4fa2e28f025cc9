import { disposeAdapters, type LoraConfig } from "@sdmprune/lora";
import { openAdapter } from "@sdmprune/lora/node";
import type { Adapters, CausalLM } from "@sdmprune/models";

/** An adapter that a model computes with. */
export interface AppliedAdapter {
  readonly config: LoraConfig;
  readonly adapters: Adapters;
  /** Takes it away again and frees it. */
  dispose(): void;
}

/**
 * Gives a model the adapter of a folder.
 *
 * @throws {NotFoundError} If there is no adapter.
 * @throws {UsageError} If it is of another model.
 */
export async function applyAdapter(model: CausalLM, dir: string): Promise<AppliedAdapter> {
  const { config, adapters } = await openAdapter(dir);
  const dispose = (): void => {
    model.setAdapters();
    disposeAdapters(adapters);
  };
  try {
    model.setAdapters(adapters);
    return { config, adapters, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

import { ConfigError, type Registry } from "@sdmprune/core";
import type { CausalLM } from "./causal-lm.js";
import type { CausalLMConfig } from "./causal-lm-config.js";
import type { PrunableGroup } from "./prunable-group.js";
import type { WeightResidency } from "./weight-cache.js";
import type { WeightSource } from "./weight-source.js";

/** `config.json` as parsed: keys in Hugging Face's spelling. */
export type RawConfig = Readonly<Record<string, unknown>>;

/**
 * Everything the project knows about one `model_type`. All but `load` works from the config alone and loads
 * no tensor engine.
 */
export interface ModelFamily<C extends CausalLMConfig = CausalLMConfig> {
  readonly modelType: string;
  /**
   * Reads config.json in its old form (`rope_theta`, `torch_dtype`) and its new one (`rope_parameters`, `dtype`).
   *
   * @param where - File name for errors.
   * @throws {ConfigError} If a key is missing or malformed, or asks for something that is not supported.
   */
  parseConfig(raw: RawConfig, where?: string): C;
  /** The parameters a checkpoint of this config holds. */
  expectedTensors(config: C): readonly ExpectedTensor[];
  /** Whether a tensor of a checkpoint is no parameter and is passed over, such as a stored rotary table. */
  isIgnored(name: string): boolean;
  /** Whether a tensor belongs to the input embedding or the LM head. */
  isEmbedding(name: string): boolean;
  /** The coupled slices that one MLP neuron is, one group per layer. */
  prunableGroups(config: C): readonly PrunableGroup[];
  /**
   * The keys of config.json that change when the MLPs get other widths.
   *
   * @param width - One width for all layers, or one per layer.
   */
  setWidth(raw: RawConfig, width: number | readonly number[]): Record<string, unknown>;
  /**
   * Opens a model on the active tensor backend. Names and shapes are checked now; weights are read when a
   * block is first needed.
   *
   * @returns The caller disposes it.
   * @throws {FormatError} If a tensor is missing or has another shape than the config says.
   */
  load(source: WeightSource, config: C, options?: LoadOptions): Promise<CausalLM>;
}

export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface LoadOptions {
  /**
   * Neurons of each layer's MLP that the model has, as ascending indices into the checkpoint; `undefined`
   * keeps a layer whole. The checkpoint itself stays as it is.
   */
  readonly view?: KeptNeurons;
  /** Default: that of `shareWith`, else `resident`. */
  readonly residency?: WeightResidency;
  /**
   * A model of the same source, which is in memory once as far as the two are equal. Each is disposed by itself.
   */
  readonly shareWith?: CausalLM;
}

/** Indices of the neurons kept, per layer. */
export type KeptNeurons = readonly (Int32Array | undefined)[];

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    model: ModelFamily;
  }
}

/**
 * The family a config belongs to, by its `model_type`.
 *
 * @param where - File name for errors.
 * @throws {ConfigError} If the config has no `model_type`, or none that is registered.
 */
export async function modelFamily(
  models: Registry<ModelFamily>,
  raw: RawConfig,
  where = "config.json",
): Promise<ModelFamily> {
  const modelType = raw["model_type"];
  const supported = models.names().join(", ") || "none";
  if (typeof modelType !== "string") {
    throw new ConfigError(
      `${where}: expected "model_type" to name a model family, got ${JSON.stringify(modelType) ?? "nothing"}. Supported: ${supported}.`,
    );
  }
  if (!models.has(modelType)) {
    throw new ConfigError(
      `${where}: model_type "${modelType}" is not supported. Supported: ${supported}. A plugin can add it.`,
    );
  }
  return models.create(modelType);
}

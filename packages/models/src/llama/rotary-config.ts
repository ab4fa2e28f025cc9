import { ConfigError } from "@sdmprune/core";
import type { RotaryScaling } from "@sdmprune/tensor";
import { z } from "zod";
import type { RotaryConfig } from "./config.js";

const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  /** The name of `rope_type` before transformers 4.43. */
  type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  factor: z.number().min(1).nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: z.int().min(1).nullish(),
});
type RopeParameters = z.output<typeof ropeSchema>;

/** The keys of config.json about rotary embeddings: old form, then the one key of transformers 5. */
export const ropeKeys = {
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  rope_interleaved: z.boolean().nullish(),
  rope_parameters: ropeSchema.nullish(),
};

interface RopeConfig {
  readonly rope_theta?: number | null;
  readonly rope_scaling?: RopeParameters | null;
  readonly partial_rotary_factor?: number | null;
  readonly rope_interleaved?: boolean | null;
  readonly rope_parameters?: RopeParameters | null;
}

/** @throws {ConfigError} If the kind of scaling is not supported, or one of its numbers is missing. */
export function parseRotary(config: RopeConfig, headDim: number, where: string): RotaryConfig {
  if (config.rope_interleaved) {
    throw new ConfigError(
      `${where}: rope_interleaved: expected false, got true; only half-split rotation is supported.`,
    );
  }
  const key = config.rope_parameters ? "rope_parameters" : "rope_scaling";
  const parameters = config.rope_parameters ?? config.rope_scaling ?? {};
  const partialFactor = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const rotated = Math.floor(headDim * partialFactor);
  if (rotated < 2 || rotated % 2 !== 0) {
    throw new ConfigError(
      `${where}: expected an even number of rotated dimensions, got ${rotated} (head_dim ${headDim}, partial_rotary_factor ${partialFactor}).`,
    );
  }
  return {
    theta: parameters.rope_theta ?? config.rope_theta ?? 10000,
    scaling: parseScaling(parameters, `${where}: ${key}`),
    partialFactor,
  };
}

function parseScaling(parameters: RopeParameters, where: string): RotaryScaling | undefined {
  const type = parameters.rope_type ?? parameters.type ?? "default";
  const need = (
    key: "factor" | "low_freq_factor" | "high_freq_factor" | "original_max_position_embeddings",
  ): number => {
    const value = parameters[key];
    if (typeof value !== "number") throw new ConfigError(`${where}: rope_type "${type}" needs "${key}".`);
    return value;
  };
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      return { type, factor: need("factor") };
    case "llama3":
      return {
        type,
        factor: need("factor"),
        lowFreqFactor: need("low_freq_factor"),
        highFreqFactor: need("high_freq_factor"),
        originalMaxPositionEmbeddings: need("original_max_position_embeddings"),
      };
    default:
      throw new ConfigError(
        `${where}: rope_type "${type}" is not supported. Supported: default, linear, llama3.`,
      );
  }
}

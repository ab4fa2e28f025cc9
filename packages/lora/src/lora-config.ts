import { ConfigError, FormatError, suggestNames, UsageError } from "@sdmprune/core";
import type { JsonObject } from "@sdmprune/model-io";
import type { LinearModules } from "@sdmprune/models";

/** Settings of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685), in PEFT's terms. */
export interface LoraConfig {
  /** Rank of the adapters. */
  readonly r: number;
  /** The adapter's output is scaled by `loraAlpha / r`, with rsLoRA by `loraAlpha / sqrt(r)`. */
  readonly loraAlpha: number;
  /** Part of an adapter's input that is dropped in training; in [0, 1). */
  readonly loraDropout: number;
  /** Linear layers that get an adapter, by the end of their names such as `q_proj`; `all-linear` is all of the blocks. */
  readonly targetModules: readonly string[] | "all-linear";
  /** Rank-stabilised scaling (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732). */
  readonly useRslora: boolean;
  /** Ranks and alphas of single layers, by the end of their names. As read from files of PEFT. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  readonly alphaPattern?: Readonly<Record<string, number>>;
}

/** SDMPrune's own: rank 8, alpha 16, dropout 0.05 on all linear layers. */
export const DEFAULT_LORA: LoraConfig = {
  r: 8,
  loraAlpha: 16,
  loraDropout: 0.05,
  targetModules: "all-linear",
  useRslora: false,
};

/** @throws {UsageError} If a setting is out of range. */
export function checkLoraConfig({ r, loraAlpha, loraDropout }: LoraConfig): void {
  if (!Number.isSafeInteger(r) || r < 1)
    throw new UsageError(`r: expected an integer of at least 1, got ${r}.`);
  if (!(loraAlpha > 0 && loraAlpha < Infinity)) {
    throw new UsageError(`lora_alpha: expected a number above 0, got ${loraAlpha}.`);
  }
  if (!(loraDropout >= 0 && loraDropout < 1)) {
    throw new UsageError(`lora_dropout: expected a number from 0 to below 1, got ${loraDropout}.`);
  }
}

/** The layers of a model that get an adapter. @throws {UsageError} If a target names none. */
export function targetedModules(
  modules: LinearModules,
  { targetModules }: Pick<LoraConfig, "targetModules">,
): string[] {
  const names = [...modules.keys()];
  if (targetModules === "all-linear") return names;
  for (const target of targetModules) {
    if (names.some((name) => endsWith(name, target))) continue;
    const kinds = [...new Set(names.map((name) => name.split(".").at(-1)!))];
    const near = suggestNames(target, kinds);
    throw new UsageError(
      `target_modules: expected the end of a linear layer's name, got "${target}".${near.length > 0 ? ` Did you mean "${near[0]}"?` : ""} The model has ${kinds.join(", ")}.`,
    );
  }
  return names.filter((name) => targetModules.some((target) => endsWith(name, target)));
}

/** Factor of a layer's adapter. */
export function loraScaling(config: LoraConfig, module: string): number {
  const rank = ofPattern(config.rankPattern, module) ?? config.r;
  const alpha = ofPattern(config.alphaPattern, module) ?? config.loraAlpha;
  return alpha / (config.useRslora ? Math.sqrt(rank) : rank);
}

/** `adapter_config.json` as PEFT writes it for inference. */
export function toAdapterConfig(config: LoraConfig, modules: readonly string[], base: string): JsonObject {
  const targets = [...new Set(modules.map((name) => name.split(".").at(-1)!))].sort();
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: config.r,
    lora_alpha: config.loraAlpha,
    lora_dropout: config.loraDropout,
    target_modules: targets,
    use_rslora: config.useRslora,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: { ...config.rankPattern },
    alpha_pattern: { ...config.alphaPattern },
    use_dora: false,
  };
}

/**
 * Reads `adapter_config.json`.
 *
 * @param where - File name for errors.
 * @throws {ConfigError} If it is no LoRA, or one with parts that are not supported here.
 * @throws {FormatError} If a key is malformed.
 */
export function parseAdapterConfig(raw: JsonObject, where: string): LoraConfig {
  if (raw["peft_type"] !== "LORA") {
    throw new ConfigError(
      `${where}: expected "peft_type" LORA, got ${JSON.stringify(raw["peft_type"]) ?? "nothing"}.`,
    );
  }
  for (const [key, plain] of PLAIN) {
    const value = raw[key];
    const isPlain = value === undefined || value === null || plain.includes(value) || isEmpty(value);
    if (!isPlain)
      throw new ConfigError(
        `${where}: "${key}" ${JSON.stringify(value)} is not supported; only plain LoRA is.`,
      );
  }
  const number = (key: string, fallback: number): number => {
    const value = raw[key] ?? fallback;
    if (typeof value !== "number")
      throw new FormatError(`${where}: expected "${key}" to be a number, got ${JSON.stringify(value)}.`);
    return value;
  };
  const pattern = (key: string): Record<string, number> => {
    const value = raw[key] ?? {};
    const isPattern =
      typeof value === "object" &&
      !Array.isArray(value) &&
      Object.values(value as object).every((v) => typeof v === "number");
    if (!isPattern)
      throw new FormatError(
        `${where}: expected "${key}" to map names to numbers, got ${JSON.stringify(value)}.`,
      );
    return value as Record<string, number>;
  };
  const targets = raw["target_modules"];
  const config: LoraConfig = {
    r: number("r", 8),
    loraAlpha: number("lora_alpha", 8),
    loraDropout: number("lora_dropout", 0),
    // The tensors say which layers have adapters; a regular expression of PEFT is not needed for it.
    targetModules: Array.isArray(targets) ? targets.map(String) : "all-linear",
    useRslora: raw["use_rslora"] === true,
    rankPattern: pattern("rank_pattern"),
    alphaPattern: pattern("alpha_pattern"),
  };
  checkLoraConfig(config);
  return config;
}

/** Keys that change what an adapter computes, with the values that do not. */
const PLAIN: readonly (readonly [key: string, plain: readonly unknown[]])[] = [
  ["bias", ["none"]],
  ["lora_bias", [false]],
  ["use_dora", [false]],
  ["fan_in_fan_out", [false]],
  ["modules_to_save", []],
  ["trainable_token_indices", []],
];

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function endsWith(name: string, target: string): boolean {
  return name === target || name.endsWith(`.${target}`);
}

function ofPattern(pattern: Readonly<Record<string, number>> = {}, module: string): number | undefined {
  return Object.entries(pattern).find(([key]) => endsWith(module, key))?.[1];
}

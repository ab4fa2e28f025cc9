import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/importance"; // names the extension point
import type {} from "@sdmprune/pruning";
import {
  importanceOptions,
  methodOptions,
  type ImportanceOptions,
  type MethodOptions,
} from "./lora-prune-options.js";

/** Registers LoRAPrune's method, and its salience before any training as a criterion, both `lora-prune`. */
export default definePlugin({
  name: "@sdmprune/method-lora-prune",
  register({ importances, methods }) {
    importances.register(
      "lora-prune",
      async (options: ImportanceOptions) =>
        (await import("./lora-prune-importance.js")).createLoraPruneImportance(options),
      {
        description:
          "LoRAPrune's salience without training: gradients seen through random adapters of low rank.",
        options: importanceOptions,
      },
    );
    methods.register(
      "lora-prune",
      async (options: MethodOptions) =>
        (await import("./lora-prune-method.js")).createLoraPruneMethod(options),
      {
        description:
          "LoRAPrune (Zhang et al. 2023): LoRA training while masks of the neurons grow; adapters merged.",
        options: methodOptions,
      },
    );
  },
});

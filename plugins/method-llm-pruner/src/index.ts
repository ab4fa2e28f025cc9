import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/importance"; // names the extension point
import type {} from "@sdmprune/pruning";
import {
  importanceOptions,
  methodOptions,
  type ImportanceOptions,
  type MethodOptions,
} from "./llm-pruner-options.js";

/** Registers LLM-Pruner's criterion and method, both `llm-pruner`. */
export default definePlugin({
  name: "@sdmprune/method-llm-pruner",
  register({ importances, methods }) {
    importances.register(
      "llm-pruner",
      async (options: ImportanceOptions) =>
        (await import("./llm-pruner-importance.js")).createLlmPrunerImportance(options),
      {
        description:
          "Taylor salience of every weight from the gradient of the mean loss, summed over a neuron.",
        options: importanceOptions,
      },
    );
    methods.register(
      "llm-pruner",
      async (options: MethodOptions) =>
        (await import("./llm-pruner-method.js")).createLlmPrunerMethod(options),
      {
        description:
          "LLM-Pruner (Ma et al. 2023) for MLP neurons, at a uniform width or with its own layers.",
        options: methodOptions,
      },
    );
  },
});

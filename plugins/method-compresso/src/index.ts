import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/pruning"; // names the extension point
import { methodOptions, type MethodOptions } from "./compresso-options.js";

/** Registers the method `compresso`. */
export default definePlugin({
  name: "@sdmprune/method-compresso",
  register({ methods }) {
    methods.register(
      "compresso",
      async (options: MethodOptions) =>
        (await import("./compresso-method.js")).createCompressoMethod(options),
      {
        description:
          "Compresso (Guo et al. 2023): learnt hard-concrete masks with LoRA, soft masks folded in.",
        options: methodOptions,
      },
    );
  },
});

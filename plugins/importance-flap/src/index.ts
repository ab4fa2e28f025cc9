import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/importance"; // names the extension point
import { flapOptions, type FlapOptions } from "./flap-options.js";

/** Registers the criterion `flap`. */
export default definePlugin({
  name: "@sdmprune/importance-flap",
  register({ importances }) {
    importances.register(
      "flap",
      async (options: FlapOptions) => (await import("./flap.js")).createFlap(options),
      {
        description:
          "Variance of the activation times the down projection's squared norm; forward passes only.",
        options: flapOptions,
      },
    );
  },
});

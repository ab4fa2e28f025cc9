import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/importance"; // names the extension point

/** Registers the criterion `hfprune`. */
export default definePlugin({
  name: "@sdmprune/importance-hfprune",
  register({ importances }) {
    importances.register("hfprune", async () => (await import("./hfprune.js")).createHfPrune(), {
      description: "Activation times gradient of the prediction's entropy, token by token; needs no labels.",
    });
  },
});

import { definePlugin } from "@sdmprune/core";
import type {} from "@sdmprune/importance"; // names the extension point

/** Registers the criterion `minitron`. */
export default definePlugin({
  name: "@sdmprune/importance-minitron",
  register({ importances }) {
    importances.register("minitron", async () => (await import("./minitron.js")).createMinitron(), {
      description:
        "Mean magnitude of the activation in each sample, root of their squares; forward passes only.",
    });
  },
});

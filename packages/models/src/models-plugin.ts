import { definePlugin } from "@sdmprune/core";

/** Registers the built-in model families by `model_type`; each is loaded when first asked for. */
export const modelsPlugin = definePlugin({
  name: "@sdmprune/models",
  register({ models }) {
    models.register("llama", async () => (await import("./llama/family.js")).llamaFamily, {
      description: "Llama 2 and 3, TinyLlama, Sheared-LLaMA, SmolLM2 (LlamaForCausalLM).",
    });
  },
});

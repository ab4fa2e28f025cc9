import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { tinyLlama } from "@sdmprune/test-utils";
import { modelsPlugin } from "../src/index.js";

describePluginContract(modelsPlugin, {
  packageFolder: join(import.meta.dirname, ".."),
  modelConfigs: { llama: tinyLlama({ biases: true }).config },
});

import { fileURLToPath } from "node:url";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import plugin from "../src/index.js";

describePluginContract(plugin, { packageFolder: fileURLToPath(new URL("..", import.meta.url)) });

import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { evaluationPlugin } from "../src/index.js";

describePluginContract(evaluationPlugin, { packageFolder: join(import.meta.dirname, "..") });

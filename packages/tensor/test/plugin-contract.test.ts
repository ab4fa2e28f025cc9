import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { tensorPlugin } from "../src/index.js";

describePluginContract(tensorPlugin, { packageFolder: join(import.meta.dirname, "..") });

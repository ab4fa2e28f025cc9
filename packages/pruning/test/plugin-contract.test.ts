import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { pruningPlugin } from "../src/index.js";

describePluginContract(pruningPlugin, { packageFolder: join(import.meta.dirname, "..") });

import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { importancePlugin } from "../src/index.js";

describePluginContract(importancePlugin, { packageFolder: join(import.meta.dirname, "..") });

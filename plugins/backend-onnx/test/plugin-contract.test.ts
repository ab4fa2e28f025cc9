import { join } from "node:path";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import onnxPlugin from "../src/index.js";

describePluginContract(onnxPlugin, { packageFolder: join(import.meta.dirname, "..") });

import { mergeConfig } from "vitest/config";
import config from "../../../vitest.config.js";

/** The root's config, for a file that is no test of the suite. */
export default mergeConfig(config, { test: { include: ["packages/test-utils/test/broken-plugin.ts"] } });

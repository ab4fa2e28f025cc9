import { defineConfig } from "vitest/config";

// Tests run from source: the condition "@sdmprune/source" resolves workspace packages to src/, no build needed.
const conditions = ["@sdmprune/source"];

export default defineConfig({
  resolve: { conditions: [...conditions, "module", "node", "development|production"] },
  ssr: { resolve: { conditions: [...conditions, "module", "node", "development|production"] } },
  // Test files are in no package's tsconfig.json, where vite would read experimentalDecorators.
  oxc: { decorator: { legacy: true } },
  test: {
    include: [
      "packages/*/{src,test}/**/*.test.ts",
      "plugins/*/{src,test}/**/*.test.ts",
      "tools/**/*.test.ts",
      "benchmarks/**/*.test.ts",
    ],
    pool: "forks",
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

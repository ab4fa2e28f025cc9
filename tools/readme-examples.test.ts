import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readmeExample } from "./readme-example.js";
import { publishedPackages } from "./release/workspace-packages.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const packages = await publishedPackages(root);

/** Runs from source: tsx compiles, and the condition resolves the packages to their src folders. */
const flags = ["--import", "tsx", "--conditions=@sdmprune/source"];
const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.base.json") };

describe("the example in the README of", () => {
  let folder: string;
  beforeAll(async () => {
    const cache = join(root, "node_modules/.cache");
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(join(cache, "readme-examples-")); // inside the repository: packages resolve from there
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.concurrent.each(packages)(
    "$name runs as it stands and prints something",
    async ({ name, folder: source }) => {
      const file = join(folder, `${name.replace(/\W+/g, "-")}.mjs`);
      await writeFile(file, await readmeExample(source));
      const { stdout } = await promisify(execFile)(process.execPath, [...flags, file], {
        env,
        timeout: 60_000,
      });
      expect(stdout.trim()).not.toBe("");
    },
  );
});

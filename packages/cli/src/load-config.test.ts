import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findConfigFile, loadConfigFile } from "./load-config.js";

const files: Record<string, string> = {
  "good.yaml":
    "model: ./model\npruning_ratio: 0.3\nratio_of: mlp\nmethod_options:\n  some_key: 1\nplugins: [./x.ts]\n",
  "empty.yaml": "# nothing\n",
  "camel.yaml": "pruningRatio: 0.3\n",
  "wrong.yaml": "pruning_ration: 0.3\nnsamples: many\nround_to: 0\n",
  "broken.yaml": "model: [\n",
  "good.mjs": "export default { model: 'm', pruningRatio: 0.3, roundTo: 8 };",
  "no-default.mjs": "export const config = {};",
  "config.toml": "",
};

describe("loadConfigFile", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), "sdmprune-config-"));
    for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
  });
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  it("reads YAML, mapping its snake_case keys and leaving a method's own options alone", async () => {
    expect(await loadConfigFile("good.yaml", { cwd })).toEqual({
      model: "./model",
      pruningRatio: 0.3,
      ratioOf: "mlp",
      methodOptions: { some_key: 1 },
      plugins: ["./x.ts"],
    });
  });

  it("reads an empty YAML file as a config that says nothing", async () => {
    expect(await loadConfigFile("empty.yaml", { cwd })).toEqual({});
  });

  it("reads the default export of a module", async () => {
    expect(await loadConfigFile("good.mjs", { cwd })).toEqual({ model: "m", pruningRatio: 0.3, roundTo: 8 });
  });

  it("reads TypeScript that uses defineConfig, in a folder that has no packages", async () => {
    const text = `import { defineConfig } from "@sdmprune/core";
      const ratio: number = 0.25;
      export default defineConfig({ pruningRatio: ratio, seed: 7 });`;
    await writeFile(join(cwd, "sdmprune.config.ts"), text);
    const child = fileURLToPath(new URL("../test/load-config-child.js", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [child, cwd], { cwd: tmpdir() });
    expect(JSON.parse(stdout)).toEqual({ pruningRatio: 0.25, seed: 7 });
  });

  it.each<[string, string | RegExp]>([
    ["absent.yaml", "absent.yaml: no such config file."],
    [
      "config.toml",
      'config.toml: expected a config file ending in .ts, .mts, .js, .mjs, .yaml, .yml, got ".toml".',
    ],
    ["camel.yaml", 'camel.yaml: unknown key "pruningRatio" (did you mean "pruning_ratio"?).'],
    [
      "wrong.yaml",
      'wrong.yaml: unknown key "pruning_ration" (did you mean "pruning_ratio"?); ' +
        '"round_to": expected at least 1, got 0; "nsamples": expected number, got "many".',
    ],
    ["broken.yaml", /^broken\.yaml: not valid YAML: .+$/],
    ["no-default.mjs", "no-default.mjs: expected a default export, got only config."],
  ])("says in one line what is wrong with %s", async (name, message) => {
    await expect(loadConfigFile(name, { cwd })).rejects.toThrow(message);
  });
});

describe("findConfigFile", () => {
  it("finds the one config file of a folder, and refuses to choose between two", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sdmprune-config-"));
    expect(findConfigFile(folder)).toBeUndefined();
    await writeFile(join(folder, "sdmprune.config.yaml"), "");
    expect(findConfigFile(folder)).toBe(join(folder, "sdmprune.config.yaml"));
    await writeFile(join(folder, "sdmprune.config.ts"), "");
    expect(() => findConfigFile(folder)).toThrow(
      "expected one config file, got sdmprune.config.ts and sdmprune.config.yaml. Name one with --config.",
    );
    await rm(folder, { recursive: true });
  });
});

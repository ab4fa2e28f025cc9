import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

interface Loaded {
  name: string;
  names?: string[];
  isSameCore?: boolean;
  error?: string;
  hasCause?: boolean;
}

const child = fileURLToPath(new URL("../test/load-plugins-child.js", import.meta.url));
const criterion = (name: string): string => `
import { definePlugin, Host } from "@sdmprune/core";
import { z } from "zod";
globalThis.seenByPlugin = Host;
const options = z.object({ power: z.number().default(2).describe("Power.") });
export default definePlugin({
  name: "${name}",
  register({ importances }) {
    importances.register("${name}", () => ({ needs: {} }), { options });
  },
});
`;
/** A package that looks like @sdmprune/core and is not. */
const impostor = "export class Host {} export const definePlugin = () => ({ impostor: true });";

const files: Record<string, string> = {
  "typed.ts": `import type { Plugin } from "@sdmprune/core";\n${criterion("typed")}\nexport type Mine = Plugin;`,
  "plain.mjs": criterion("plain"),
  "untyped.js": criterion("untyped"),
  "with-helper.ts":
    criterion("with-helper").replace('"with-helper"', "name") + 'import { name } from "./helper.js";',
  "helper.ts": 'export const name: string = "with-helper";',
  "no-default.ts": "export const plugin = 1;",
  "empty.ts": "",
  "not-a-plugin.mjs": "export default { name: 'x', register() {} };",
  "broken.ts": "export default {{;",
  "broken.mjs": "export default {{;",
  "throws.ts": "throw new Error('no GPU\\nhere');",
  "missing-import.ts": 'import "./not-there.js"; export default 1;',
  "registers-twice.ts": criterion("twice").replace(
    "{ options });",
    '{}); importances.register("twice", () => 1);',
  ),
  "node_modules/packaged/package.json":
    '{ "name": "packaged", "type": "module", "exports": { "import": "./main.js" } }',
  "node_modules/packaged/main.js": criterion("packaged"),
  "node_modules/closed/package.json":
    '{ "name": "closed", "type": "module", "exports": { "./x": "./main.js" } }',
  "node_modules/closed/main.js": criterion("closed"),
  "nested/node_modules/@sdmprune/core/package.json":
    '{ "name": "@sdmprune/core", "type": "module", "exports": "./i.js" }',
  "nested/node_modules/@sdmprune/core/i.js": impostor,
  "nested/own-core.ts": criterion("own-core"),
};

describe("loadPlugin", () => {
  let folder: string;
  let results: Map<string, Loaded>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sdmprune-plugins-"));
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    const specs = Object.keys(files)
      .filter((name) => /^[^/]+$|own-core/.test(name))
      .map((name) => `./${name}`);
    specs.push(
      join(folder, "plain.mjs"),
      "packaged",
      "closed",
      "no-such-package",
      "plain.mjs",
      "./absent.ts",
      "./nested",
    );
    const { stdout } = await promisify(execFile)(process.execPath, [child, folder, ...specs], {
      cwd: tmpdir(),
    });
    const loaded = JSON.parse(stdout) as Loaded[];
    results = new Map(specs.map((spec, i) => [spec, loaded[i]!]));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(["./typed.ts", "./plain.mjs", "./untyped.js", "./with-helper.ts", "packaged"])(
    "loads %s",
    (spec) => {
      const name = spec.replace(/^\.\/|\.[a-z]+$/g, "");
      expect(results.get(spec)).toEqual({ name, names: [name], isSameCore: true });
    },
  );

  it("takes an absolute path", () => {
    expect(results.get(join(folder, "plain.mjs"))?.name).toBe("plain");
  });

  it("gives a plugin the host's @sdmprune/core even where another copy is nearer", () => {
    expect(results.get("./nested/own-core.ts")).toEqual({
      name: "own-core",
      names: ["own-core"],
      isSameCore: true,
    });
  });

  it.each<[string, string | RegExp]>([
    ["./absent.ts", /^Plugin "\.\/absent\.ts": no such file, looked for .*absent\.ts\.$/],
    ["./nested", 'Plugin "./nested": expected a file, got a folder; name the file in it.'],
    ["./no-default.ts", 'Plugin "./no-default.ts": expected a default export, got only plugin.'],
    ["./empty.ts", 'Plugin "./empty.ts": expected a default export, got no export.'],
    ["./not-a-plugin.mjs", /expected the default export to come from definePlugin.*, got object\.$/],
    ["./broken.ts", /^Plugin "\.\/broken\.ts": could not be loaded: .*broken\.ts:1:16: ERROR: .*$/],
    ["./broken.mjs", /^Plugin "\.\/broken\.mjs": could not be loaded: .+$/],
    ["./throws.ts", 'Plugin "./throws.ts": could not be loaded: no GPU here'],
    ["./missing-import.ts", /^Plugin "\.\/missing-import\.ts": could not be loaded: .*not-there\.js.*$/],
    [
      "./registers-twice.ts",
      /^Plugin "twice" failed to register: importance "twice" is already registered by plugin "twice"/,
    ],
    [
      "no-such-package",
      /^Plugin "no-such-package": no such package in .* Install it \(npm install no-such-package\)/,
    ],
    [
      "plain.mjs",
      /^Plugin "plain\.mjs": no such package in .* For the file of that name, write "\.\/plain\.mjs"\.$/,
    ],
    ["closed", /^Plugin "closed": could not be resolved: .*exports/],
  ])("explains what is wrong with %s in one line", (spec, message) => {
    const { error } = results.get(spec)!;
    expect(error).toMatch(message);
    expect(error).not.toContain("\n");
  });

  it("keeps the error that a plugin threw as the cause", () => {
    expect(results.get("./throws.ts")).toMatchObject({ name: "PluginError", hasCause: true });
  });
});

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadPlugin, locatePlugin } from "./load-plugin.js";

/**
 * What tells one state of a plugin's code from another, by the plugin's name: SHA-256 of a file, the version of a
 * package. Files that a plugin's file imports do not count.
 */
export async function pluginVersions(plugins: readonly string[]): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const spec of plugins) {
    const { name } = await loadPlugin(spec);
    const file = fileURLToPath(await locatePlugin(spec));
    const version = await packageVersion(file);
    versions[name] =
      version ??
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex")
        .slice(0, 16);
  }
  return versions;
}

/** The version of the package that a file in `node_modules` belongs to. */
async function packageVersion(file: string): Promise<string | undefined> {
  if (!file.includes("node_modules")) return undefined;
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version?: string };
    if (version !== undefined) return version;
  }
  return undefined;
}

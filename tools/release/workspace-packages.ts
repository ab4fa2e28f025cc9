import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface WorkspacePackage {
  readonly name: string;
  /** Absolute path. */
  readonly folder: string;
  readonly manifest: {
    readonly name: string;
    readonly private?: boolean;
    readonly bin?: Readonly<Record<string, string>>;
    readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  };
}

/** The packages that are published: every workspace that is not private, by name. */
export async function publishedPackages(root: string): Promise<WorkspacePackage[]> {
  const found: WorkspacePackage[] = [];
  for (const group of ["packages", "plugins"]) {
    for (const entry of (await readdir(join(root, group))).sort()) {
      const folder = join(root, group, entry);
      if (!existsSync(join(folder, "package.json"))) continue;
      const text = await readFile(join(folder, "package.json"), "utf8");
      const manifest = JSON.parse(text) as WorkspacePackage["manifest"];
      if (manifest.private !== true) found.push({ name: manifest.name, folder, manifest });
    }
  }
  return found;
}

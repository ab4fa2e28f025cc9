import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { readImports, type ModuleImport, type TextLiteral } from "./read-imports.js";

export interface SourceFile {
  /** Path from the package's folder, with `/`. */
  readonly path: string;
  readonly isTest: boolean;
  readonly imports: readonly ModuleImport[];
  readonly literals: readonly TextLiteral[];
}

export interface WorkspacePackage {
  /** Name of its folder. */
  readonly folder: string;
  /** Path of its folder from the root, with `/`. */
  readonly path: string;
  readonly isPlugin: boolean;
  readonly name: string;
  /** Export path to source file, as under the condition `@sdmprune/source`. */
  readonly entries: ReadonlyMap<string, string>;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  readonly files: readonly SourceFile[];
}

interface Manifest {
  name: string;
  exports?: Record<string, string | Record<string, string>>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** Reads every package under `packages/` and `plugins/`, with the imports of its `src/` and `test/`. */
export function readWorkspace(root: string): WorkspacePackage[] {
  return ["packages", "plugins"].flatMap((parent) => {
    if (!existsSync(join(root, parent))) return [];
    return readdirSync(join(root, parent))
      .filter((folder) => existsSync(join(root, parent, folder, "package.json")))
      .map((folder) => readPackage(root, parent, folder));
  });
}

function readPackage(root: string, parent: string, folder: string): WorkspacePackage {
  const dir = join(root, parent, folder);
  const manifest = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as Manifest;
  const entries = Object.entries(manifest.exports ?? {}).map(([key, target]): [string, string] => {
    const source =
      typeof target === "string" ? target : (target["@sdmprune/source"] ?? target["default"] ?? "");
    return [key, source.replace(/^\.\//, "")];
  });
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = manifest;
  return {
    folder,
    path: `${parent}/${folder}`,
    isPlugin: parent === "plugins",
    name: manifest.name,
    entries: new Map(entries),
    dependencies: new Set(Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })),
    devDependencies: new Set(Object.keys(devDependencies ?? {})),
    files: ["src", "test"].flatMap((sub) => readSources(dir, sub)),
  };
}

function readSources(dir: string, sub: string): SourceFile[] {
  if (!existsSync(join(dir, sub))) return [];
  return readdirSync(join(dir, sub), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => {
      const path = relative(dir, file).split(sep).join("/");
      return { path, isTest: sub === "test" || /\.test\.[cm]?tsx?$/.test(path), ...readImports(file) };
    });
}

import { runCommand } from "./run-command.js";
import type { WorkspacePackage } from "./workspace-packages.js";

export interface Packed {
  readonly package: WorkspacePackage;
  /** Absolute path of the .tgz file. */
  readonly tarball: string;
  /** Paths in the tarball, without the leading `package/`. */
  readonly files: readonly string[];
  readonly sizeBytes: number;
}

/** Packs packages as `npm publish` would. */
export async function pack(
  packages: readonly WorkspacePackage[],
  { root, destination }: { root: string; destination: string },
): Promise<Packed[]> {
  const workspaces = packages.flatMap(({ name }) => ["-w", name]);
  const args = ["pack", "--json", "--pack-destination", destination, ...workspaces];
  const { isOk, stdout, output } = await runCommand("npm", args, { cwd: root });
  if (!isOk) throw new Error(`npm pack failed:\n${output}`);
  const packed = JSON.parse(stdout) as {
    name: string;
    filename: string;
    size: number;
    files: { path: string }[];
  }[];
  return packed.map(({ name, filename, size, files }) => ({
    package: packages.find((candidate) => candidate.name === name)!,
    tarball: `${destination}/${filename.replace("@", "").replace("/", "-")}`,
    files: files.map(({ path }) => path),
    sizeBytes: size,
  }));
}

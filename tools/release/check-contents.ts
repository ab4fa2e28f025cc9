import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { WorkspacePackage } from "./workspace-packages.js";

/** What must not be in a published package. */
const UNWANTED = /\.test\.|(^|\/)(test|fixtures)\/|\.tsbuildinfo$|(^|\/)tsconfig.*\.json$/;
const TEXT = /\.([cm]?[jt]s|json|map|md)$/;

/**
 * What is wrong with the files of a packed package: one line per problem, "" if nothing is.
 *
 * @param files - Paths in the tarball.
 * @param root - The repository, whose path must appear in no file.
 */
export async function contentProblems(
  { folder, manifest }: WorkspacePackage,
  files: readonly string[],
  root: string,
): Promise<string> {
  const problems: string[] = [];
  const targets = Object.values(manifest.exports ?? {}).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  const required = [
    "LICENSE",
    "README.md",
    ...[...targets, ...Object.values(manifest.bin ?? {})].map(normalize),
  ];
  for (const file of required) if (!files.includes(file)) problems.push(`${file} is missing`);
  for (const file of files) if (UNWANTED.test(file)) problems.push(`${file} should not be there`);
  const machinePaths = [root, homedir()].filter((path) => path.length > 1);
  for (const file of files.filter((name) => TEXT.test(name))) {
    const text = await readFile(join(folder, file), "utf8");
    for (const path of machinePaths) {
      if (text.includes(`${path.replace(/\/$/, "")}/`)) problems.push(`${file} contains the path ${path}`);
    }
  }
  if ((await readFile(join(folder, "LICENSE"), "utf8")) !== (await readFile(join(root, "LICENSE"), "utf8"))) {
    problems.push("LICENSE differs from the repository's");
  }
  return problems.join("\n");
}

function normalize(path: string): string {
  return path.replace(/^\.\//, "");
}

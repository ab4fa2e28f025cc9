import { execFileSync } from "node:child_process";

export interface Commit {
  readonly hash: string;
  /** Whether tracked files differ from it. */
  readonly isModified: boolean;
}

/** The commit that is checked out. */
export function currentCommit(): Commit {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  return {
    hash: git("rev-parse", "HEAD"),
    isModified: git("status", "--porcelain", "--untracked-files=no") !== "",
  };
}

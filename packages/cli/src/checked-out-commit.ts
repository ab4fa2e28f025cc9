import { execFileSync } from "node:child_process";

/** The commit of the checkout that this program runs from, with `+` if its files differ; undefined elsewhere. */
export function checkedOutCommit(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync("git", args, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    if (!import.meta.url.endsWith(".ts")) return undefined; // installed beside someone else's repository
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return git("rev-parse", "HEAD") + (changed ? "+" : "");
  } catch {
    return undefined;
  }
}

import { spawn } from "node:child_process";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { CliResult } from "./run-cli.js";

const CHILD = fileURLToPath(new URL("many-runs-child.js", import.meta.url));

/**
 * Runs the program once for each list of arguments, all in one other process: for what would take too long with a
 * process each.
 */
export async function runMany(argvs: readonly (readonly string[])[], cwd: string): Promise<CliResult[]> {
  const child = spawn(process.execPath, [CHILD], {
    cwd,
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify(argvs));
  return (await json(child.stdout)) as CliResult[];
}

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../bin/sdmprune.js", import.meta.url));

export interface CliResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Told every line of standard error as it comes. */
  readonly onLine?: (line: string, child: ChildProcessWithoutNullStreams) => void;
}

/** Runs the program as a user does: its bin, in a process of its own, offline. */
export function runCli(args: readonly string[], { cwd, env, onLine }: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { ...process.env, HF_HUB_OFFLINE: "1", ...env },
  });
  let [stdout, stderr, seen] = ["", "", 0];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    const lines = stderr.split("\n");
    for (const line of lines.slice(seen, -1)) onLine?.(line, child);
    seen = lines.length - 1;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

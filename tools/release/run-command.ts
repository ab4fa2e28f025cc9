import { execFile } from "node:child_process";

export interface CommandResult {
  readonly isOk: boolean;
  readonly stdout: string;
  /** Both streams and, if it could not be started, why. */
  readonly output: string;
}

/** Runs a program to its end without a terminal; a failure is a result, not an exception. */
export function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs = 600_000 }: { cwd: string; env?: NodeJS.ProcessEnv; timeoutMs?: number },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 2 ** 26 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const reason = error && stdout + stderr === "" ? error.message : "";
      resolve({ isOk: !error, stdout, output: stdout + stderr + reason });
    });
    child.stdin?.end();
  });
}

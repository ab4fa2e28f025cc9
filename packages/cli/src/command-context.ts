import { silentProgress, type Run } from "@sdmprune/core";
import { createHost } from "./create-host.js";
import { createProgressView, type ProgressOutput } from "./progress-view.js";

/** The streams and signal a command works with. */
export interface Terminal {
  readonly stdout: { write(text: string): void };
  readonly stderr: ProgressOutput;
  readonly signal: AbortSignal;
}

/** Options that every verb has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly plugin?: readonly string[];
  readonly seed?: number;
}

/** Opens a run for a verb, and disposes it whatever happens. */
export async function withRun<R>(
  terminal: Terminal,
  { plugin = [], seed = 0, quiet = false }: GlobalOptions,
  body: (run: Run) => Promise<R>,
): Promise<R> {
  const host = await createHost(plugin);
  const progress = quiet ? silentProgress : createProgressView(terminal.stderr);
  const run = host.createRun({ progress, signal: terminal.signal, seed });
  try {
    return await body(run);
  } finally {
    await run.dispose();
  }
}

/** Prints a verb's result: one JSON document with `--json`, else the text for a person. */
export function printResult(
  terminal: Terminal,
  { json = false }: GlobalOptions,
  result: object,
  text: () => string,
): void {
  terminal.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${text()}\n`);
}

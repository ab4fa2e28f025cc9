import { silentProgress, TOKENS, type Run } from "@sdmprune/core";
import type { TensorBackend } from "@sdmprune/tensor";
import { createHost } from "./create-host.js";
import { profileSteps, type StepClocks } from "./step-profile.js";
import { workerStarter } from "./worker-starter.js";
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
  const shown = quiet ? silentProgress : createProgressView(terminal.stderr);
  const clocks: StepClocks = { now: () => performance.now(), kernelMs: () => kernelMs(run) };
  const progress =
    process.env["SDMPRUNE_PROFILE"] === "1"
      ? profileSteps(shown, clocks, (line) => void terminal.stderr.write(`${line}\n`))
      : shown;
  const run: Run = host.createRun({ progress, signal: terminal.signal, seed });
  run.services.registerInstance(TOKENS.startWorker, workerStarter(plugin));
  try {
    return await body(run);
  } finally {
    await run.dispose();
  }
}

function kernelMs({ services }: Run): number | undefined {
  if (!services.isRegistered(TOKENS.backend)) return undefined;
  return services.resolve<TensorBackend>(TOKENS.backend).kernelMs?.();
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

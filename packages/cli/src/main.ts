import { errorMessage, InterruptedError, isSdmPruneError, VERSION } from "@sdmprune/core";
import { Command, CommanderError } from "commander";
import { addCompareCommand } from "./commands/compare.js";
import { addCompareResultsCommand } from "./commands/compare-results.js";
import { addConvertCommand } from "./commands/convert.js";
import { addDemoCommand } from "./commands/demo.js";
import { addEvaluateCommand } from "./commands/evaluate.js";
import { addGenerateCommand } from "./commands/generate.js";
import { addInspectCommand } from "./commands/inspect.js";
import { addLatencyCommand } from "./commands/latency.js";
import { addListCommand } from "./commands/list.js";
import { addMergeCommand } from "./commands/merge.js";
import { addMergeScoresCommand } from "./commands/merge-scores.js";
import { addPerplexityCommand } from "./commands/perplexity.js";
import { addPruneCommand } from "./commands/prune.js";
import { addScoreCommand } from "./commands/score.js";
import { addShowResultsCommand } from "./commands/show-results.js";
import { addTrainCommand } from "./commands/train.js";
import type { Terminal } from "./command-context.js";

const EXIT_USAGE = 2;

/**
 * Runs the program.
 *
 * @param argv - Arguments after the program's name.
 * @returns Exit code: 0, 1 for an error, 2 for wrong usage, 130 if interrupted. Errors are one line on standard error.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(130); // the second time at once
    interrupt.abort(new InterruptedError("Interrupted."));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  // Stays, since what was written may fail after the return.
  if (!process.stdout.listeners("error").includes(onStdoutError)) process.stdout.on("error", onStdoutError);
  try {
    const terminal: Terminal = { stdout: process.stdout, stderr: process.stderr, signal: interrupt.signal };
    await createProgram(terminal).parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    return report(error);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Whoever read our output (`| head`) has seen enough. */
function onStdoutError(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}

function createProgram(terminal: Terminal): Command {
  const program = new Command("sdmprune")
    .description("Structured pruning of the MLPs of large language models.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // report() prints it
    .showSuggestionAfterError(true);
  for (const add of [
    addPruneCommand,
    addScoreCommand,
    addMergeScoresCommand,
    addTrainCommand,
    addMergeCommand,
    addPerplexityCommand,
    addGenerateCommand,
    addInspectCommand,
    addConvertCommand,
    addLatencyCommand,
    addListCommand,
    addCompareCommand,
    addDemoCommand,
    addEvaluateCommand,
    addShowResultsCommand,
    addCompareResultsCommand,
  ]) {
    add(program, terminal);
  }
  for (const command of program.commands) {
    command.exitOverride().configureOutput({ outputError: () => {} });
  }
  return program;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    if (error.code === "commander.help") return EXIT_USAGE; // no verb given: the help was printed
    const message = errorMessage(error).replace(/^error: /, "");
    process.stderr.write(`error: ${message}\n`);
    return EXIT_USAGE;
  }
  process.stderr.write(`error: ${errorMessage(error)}\n`);
  if (isSdmPruneError(error)) return error.exitCode;
  if (error instanceof Error && isSystemError(error)) return 1;
  if (error instanceof Error && error.stack) process.stderr.write(`${error.stack}\n`);
  return 1;
}

/** A failure of the machine (disk full, no permission), which needs no stack trace. */
function isSystemError(error: Error): boolean {
  return typeof (error as NodeJS.ErrnoException).code === "string" && "syscall" in error;
}

import type { Run } from "@sdmprune/core";
import type { ResultsTable } from "@sdmprune/evaluation";
import type { Command } from "commander";
import { printResult, type GlobalOptions, type Terminal } from "./command-context.js";
import { formatResults } from "./format-results.js";

/** Options of the verbs that print a table of results. */
export interface TableOptions extends GlobalOptions {
  readonly format?: string;
}

export function addTableOptions(command: Command): Command {
  return command.option(
    "--format <name>",
    "markdown, csv, html or another registered reporter (default: plain text)",
  );
}

/** Prints a table as text or through the reporter that `--format` names, or `json` with `--json`. */
export async function printTable(
  terminal: Terminal,
  run: Run,
  flags: TableOptions,
  table: ResultsTable,
  json: object,
): Promise<void> {
  const reporter =
    flags.format === undefined ? undefined : await run.registries.reporters.create(flags.format);
  printResult(terminal, flags, json, () =>
    reporter ? reporter.format(table).trimEnd() : formatResults(table),
  );
}

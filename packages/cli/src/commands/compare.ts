import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError, errorMessage, NotFoundError, silentProgress } from "@sdmprune/core";
import {
  compare,
  defined,
  listCells,
  parseExperiment,
  serveCells,
  type CompareReport,
  type Experiment,
} from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { parse } from "yaml";
import { printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { checkedOutCommit } from "../checked-out-commit.js";
import { createHost } from "../create-host.js";
import { startCellWorker, type CellAnswer } from "../cell-worker.js";
import { addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";
import { pluginVersions } from "../plugin-versions.js";
import { createProgressView } from "../progress-view.js";

interface CompareOptions extends GlobalOptions {
  readonly output?: string;
  readonly only?: string;
  readonly list?: boolean;
  readonly maxParallel?: number;
  readonly worker?: boolean;
  readonly threads?: number;
}

export function addCompareCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("compare")
    .description(
      "Run an experiment of pruning methods, ratios and seeds and write tables and a report. Finished cells are kept: the same command goes on where it was stopped.",
    )
    .argument("<file>", "experiment, a YAML file; docs/guides/compare-methods.md says what is in it")
    .option("-o, --output <dir>", "folder for results (default: the file's name, in this folder)")
    .option("--only <pattern>", "run only cells of this name; * stands for anything (see --list)")
    .option(
      "--max-parallel <n>",
      "cells to run at the same time, each in a process of its own, if memory allows (default: 1)",
      integer(1),
    )
    .option("--list", "print the cells and which are finished, and run none")
    .addOption(new Option("--worker", "run cells whose ids come on standard input").hideHelp())
    .addOption(new Option("--threads <n>").argParser(integer(1)).hideHelp());
  addGlobalOptions(command).action(async (file: string, flags: CompareOptions) => {
    const { experiment, source } = await readExperiment(file);
    const name = basename(file, extname(file));
    const plugins = [...(experiment.plugins ?? []), ...(flags.plugin ?? [])];
    const host = await createHost(plugins);
    const output = flags.output ?? name;
    const commit = checkedOutCommit();
    const request = {
      experiment,
      source,
      title: name,
      output,
      command: `sdmprune compare ${basename(file)}`,
      progress: flags.quiet ? silentProgress : createProgressView(terminal.stderr),
      signal: terminal.signal,
      pluginVersions: await pluginVersions(plugins),
      startWorker: (numWorkers: number) => startCellWorker(workerArguments(file, output, flags), numWorkers),
      ...defined({ commit, only: flags.only, maxParallel: flags.maxParallel, threads: flags.threads }),
    };
    if (flags.worker) {
      await serveCells(host, request, createInterface({ input: process.stdin }), (id, error) => {
        const answer: CellAnswer = { id, ...(error !== undefined && { error }) };
        terminal.stdout.write(`${JSON.stringify(answer)}\n`);
      });
      return;
    }
    if (flags.list) {
      const cells = await listCells(host, request);
      printResult(terminal, flags, cells, () =>
        cells.map(({ id, isFinished }) => `${isFinished ? "done" : "open"}  ${id}`).join("\n"),
      );
      return;
    }
    const report = await compare(host, request);
    printResult(terminal, flags, report.results, () => reportText(report));
  });
}

function workerArguments(file: string, output: string, { only, plugin = [] }: CompareOptions): string[] {
  return [
    file,
    "-o",
    output,
    ...(only === undefined ? [] : ["--only", only]),
    ...plugin.flatMap((each) => ["--plugin", each]),
  ];
}

async function readExperiment(file: string): Promise<{ experiment: Experiment; source: unknown }> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new NotFoundError(`${file}: expected an experiment file, got none. Check the path.`, { cause });
  });
  let source: unknown;
  try {
    source = parse(text);
  } catch (cause) {
    throw new ConfigError(`${file}: not valid YAML: ${errorMessage(cause)}`, { cause });
  }
  const folder = dirname(resolve(file));
  return { experiment: parseExperiment(source, { where: file, folder, env: process.env }), source };
}

function reportText({ files, numRun, numKept }: CompareReport): string {
  return [
    `${numRun} cells ran, ${numKept} were finished before`,
    ...files.map((path) => `written to ${join(path)}`),
  ].join("\n");
}

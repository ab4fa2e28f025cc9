import { compareSamples, comparisonTable } from "@sdmprune/evaluation";
import { readSamples } from "@sdmprune/evaluation/node";
import type { Command } from "commander";
import { withRun, type Terminal } from "../command-context.js";
import { addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";
import { addTableOptions, printTable, type TableOptions } from "../print-table.js";

interface CompareOptions extends TableOptions {
  readonly iters?: number;
  readonly seed?: number;
}

export function addCompareResultsCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("compare-results")
    .description(
      "Test whether two models differ, document by document: McNemar's exact test per task, and a paired bootstrap of the mean.",
    )
    .argument("<a>", "folder with samples_*.jsonl of the first model, ours or lm-eval's")
    .argument("<b>", "folder of the second model; differences are b minus a")
    .option("--iters <n>", "bootstrap resamples (default: 10000)", integer(100))
    .option("--seed <n>", "seed of the bootstrap (default: 0)", integer(0));
  addGlobalOptions(addTableOptions(command)).action(async (a: string, b: string, flags: CompareOptions) => {
    await withRun(terminal, flags, async (run) => {
      const { iters } = flags;
      const comparison = compareSamples(await readSamples(a), await readSamples(b), {
        seed: run.seed,
        ...(iters !== undefined && { iters }),
      });
      await printTable(terminal, run, flags, comparisonTable(comparison, [a, b]), comparison);
    });
  });
}

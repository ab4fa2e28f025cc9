import { checkpointTable } from "@sdmprune/evaluation";
import { readCheckpointResults } from "@sdmprune/evaluation/node";
import type { Command } from "commander";
import { withRun, type Terminal } from "../command-context.js";
import { addGlobalOptions } from "../model-options.js";
import { addTableOptions, printTable, type TableOptions } from "../print-table.js";

export function addShowResultsCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("show-results")
    .description("Tabulate evaluations side by side: ours, lm-eval's, one row per checkpoint.")
    .argument("<dirs...>", "folders with results_*.json, searched with all below")
    .addHelpText(
      "after",
      "\nOf each task the first of pct_stereotype, acc_norm and acc is shown, as SDMPrune's tool does. The mean over all" +
        "\ntasks includes CrowS-Pairs as SDMPrune's tables do. Of CrowS-Pairs 50 % is unbiased and more is not better, so" +
        "\nthat a more biased model can raise this mean: judge by the second mean, which leaves CrowS-Pairs out.",
    );
  addGlobalOptions(addTableOptions(command)).action(async (dirs: string[], flags: TableOptions) => {
    await withRun(terminal, flags, async (run) => {
      const checkpoints = await readCheckpointResults(dirs);
      await printTable(terminal, run, flags, checkpointTable(checkpoints), checkpoints);
    });
  });
}

import { mergeAdapter } from "@sdmprune/recipes";
import type { Command } from "commander";
import { printResult, withRun, type GlobalOptions, type Terminal } from "../command-context.js";
import { addEngineOptions, addGlobalOptions } from "../model-options.js";
import { defined } from "./prune.js";

interface MergeOptions extends GlobalOptions {
  readonly output: string;
  readonly force?: boolean;
  readonly backend?: string;
  readonly threads?: number;
}

export function addMergeCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("merge")
    .description("Fold a LoRA adapter into its model: a checkpoint comes out that needs no adapter.")
    .argument("<model>", "checkpoint folder or hub id")
    .argument("<adapter>", "folder of the adapter, ours or PEFT's")
    .requiredOption("-o, --output <dir>", "folder to write")
    .option("--force", "replace the output if it exists");
  addGlobalOptions(addEngineOptions(command)).action(
    async (model: string, adapter: string, flags: MergeOptions) => {
      const { output, force, backend, threads } = flags;
      const result = await withRun(terminal, flags, (run) =>
        mergeAdapter(run, { model, adapter, output, ...defined({ force, backend, threads }) }),
      );
      printResult(
        terminal,
        flags,
        result,
        () =>
          `${result.numModules} layers merged; largest logit difference ${result.maxLogitDifference.toExponential(2)} (largest logit ${result.maxLogit.toFixed(2)})\nwritten to ${output}`,
      );
    },
  );
}

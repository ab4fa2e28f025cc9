import { mergeScores } from "@sdmprune/recipes";
import type { Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";
import { defined } from "./prune.js";
import { scoresJson } from "./score.js";

interface MergeScoresOptions extends GlobalOptions {
  readonly output: string;
  readonly model?: string;
  readonly force?: boolean;
  readonly threads?: number;
}

export function addMergeScoresCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("merge-scores")
    .description("Merge the shards of score --shard into the score file of one run, byte for byte.")
    .argument("<shards...>", "all shard files, in any order")
    .requiredOption("-o, --output <file>", "score file to write (.safetensors)")
    .option(
      "--model <model>",
      "the model that was scored; needed where criteria look at weights, as wanda does",
    )
    .option("--force", "replace the score file if it exists")
    .option("--threads <n>", "threads of the backend (default: one per core)", integer(1));
  addGlobalOptions(command).action(async (shards: string[], flags: MergeScoresOptions) => {
    const { output, model, force, threads } = flags;
    const request = { shards, output, ...defined({ model, force, threads }) };
    const result = await withRun(terminal, flags, (run) => mergeScores(run, request));
    printResult(terminal, flags, scoresJson(result), () => `written to ${output}`);
  });
}

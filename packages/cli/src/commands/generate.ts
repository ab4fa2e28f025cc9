import { generateText } from "@sdmprune/recipes";
import type { Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { addAdapterOption, addEngineOptions, addGlobalOptions } from "../model-options.js";
import { integer, numberBetween } from "../option-types.js";
import { defined } from "./prune.js";

interface GenerateOptions extends GlobalOptions {
  readonly prompt: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly adapter?: string;
  readonly backend?: string;
  readonly threads?: number;
}

export function addGenerateCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("generate")
    .description("Continue a prompt.")
    .argument("<model>", "checkpoint folder or hub id")
    .requiredOption("--prompt <text>", "text to continue")
    .option("--max-tokens <n>", "tokens to generate at most (default: 128)", integer(1))
    .option("--temperature <t>", "0 takes the likeliest token each time (default: 0)", numberBetween(0, 100))
    .option(
      "--top-p <p>",
      "sample from the likeliest tokens of this total probability (default: 1)",
      numberBetween(0, 1),
    );
  addGlobalOptions(addEngineOptions(addAdapterOption(command))).action(
    async (model: string, flags: GenerateOptions) => {
      const { prompt, maxTokens, temperature, topP, adapter, backend, threads } = flags;
      const result = await withRun(terminal, flags, (run) =>
        generateText(run, {
          model,
          prompt,
          ...defined({ maxTokens, temperature, topP, adapter, backend, threads }),
        }),
      );
      printResult(terminal, flags, result, () => prompt + result.text);
    },
  );
}

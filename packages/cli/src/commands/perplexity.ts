import { PERPLEXITY_PRESETS } from "@sdmprune/evaluation";
import { measurePerplexity } from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { addAdapterOption, addEngineOptions, addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";
import { defined } from "./prune.js";

interface PerplexityOptions extends GlobalOptions {
  readonly text: string;
  readonly preset?: string;
  readonly window?: number;
  readonly stride?: number;
  readonly maxWindows?: number;
  readonly bos?: "each" | "first" | "none";
  readonly adapter?: string;
  readonly backend?: string;
  readonly threads?: number;
}

export function addPerplexityCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("ppl")
    .description("Perplexity of a model on a text file.")
    .argument("<model>", "checkpoint folder or hub id")
    .requiredOption("--text <file>", "text file, read whole")
    .addOption(
      new Option(
        "--preset <name>",
        "published protocol: joins the text's rows, cuts full windows, BOS at the start of the text",
      ).choices(PERPLEXITY_PRESETS.map(({ name }) => name)),
    )
    .option(
      "--window <n>",
      "tokens per window (default: 2048, or the model's maximum if that is less)",
      integer(2),
    )
    .option("--stride <n>", "start of each window after the one before (default: the window)", integer(1))
    .option("--max-windows <n>", "only the first n windows (default: all)", integer(1))
    .addOption(
      new Option(
        "--bos <where>",
        "where a BOS stands (default: each if the tokenizer adds one, first with a preset, else none)",
      ).choices(["each", "first", "none"]),
    );
  addGlobalOptions(addEngineOptions(addAdapterOption(command))).action(
    async (model: string, flags: PerplexityOptions) => {
      const { text, preset, window, stride, maxWindows, bos, adapter, backend, threads } = flags;
      const report = await withRun(terminal, flags, (run) =>
        measurePerplexity(run, {
          model,
          text,
          ...defined({ preset, window, stride, maxWindows, bos, adapter, backend, threads }),
        }),
      );
      printResult(
        terminal,
        flags,
        report,
        () =>
          `perplexity ${report.perplexity.toFixed(4)}  (nll ${report.nll.toFixed(6)}, ${report.tokens} tokens, window ${report.window}, stride ${report.stride}, bos ${report.bos}; text ${report.sha256.slice(0, 12)})`,
      );
    },
  );
}

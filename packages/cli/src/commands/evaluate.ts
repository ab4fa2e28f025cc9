import { UsageError } from "@sdmprune/core";
import { taskTable } from "@sdmprune/evaluation";
import { dumpRequests, evaluateModel, type EvaluationReport } from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { formatResults } from "../format-results.js";
import { addAdapterOption, addEngineOptions, addGlobalOptions } from "../model-options.js";
import { autoOrInteger, integer, nameList } from "../option-types.js";
import { defined } from "./prune.js";

interface EvaluateOptions extends GlobalOptions {
  readonly tasks: string[];
  readonly dataDir?: string;
  readonly limit?: number;
  readonly batchSize?: number | "auto";
  readonly addBos?: boolean;
  readonly maxLength?: number;
  readonly taskVersion?: "pinned" | "current";
  readonly bootstrapIters?: number;
  readonly output?: string;
  readonly adapter?: string;
  readonly dumpRequests?: string;
  readonly backend?: string;
  readonly threads?: number;
}

export function addEvaluateCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("eval")
    .description("Evaluate a model on zero-shot tasks, with the numbers of lm-evaluation-harness.")
    .argument(
      "[model]",
      "checkpoint folder, hub id or registered language model; not needed with --dump-requests",
    )
    .requiredOption(
      "--tasks <names>",
      "tasks, groups (sdmprune-paper) and lm-eval task files (./x.yaml), separated by commas; see sdmprune ls task",
      nameList,
    )
    .option("--data-dir <dir>", "folder with data sets (default: the hub and its cache)")
    .option("--limit <n>", "only the first n documents of each task", integer(1))
    .option(
      "--batch-size <n|auto>",
      "sequences at a time; results do not depend on it (default: auto)",
      autoOrInteger,
    )
    .option(
      "--add-bos",
      "begin every text with BOS, as SDMPrune's evaluation does (lm-eval: add_bos_token=True)",
    )
    .option("--max-length <n>", "tokens of context (default: the model's maximum)", integer(1))
    .addOption(
      new Option(
        "--task-version <version>",
        "lm-eval to follow: pinned (cbc31eb, which SDMPrune used) or current (default: pinned)",
      ).choices(["pinned", "current"]),
    )
    .option(
      "--bootstrap-iters <n>",
      "resamples for standard errors without a formula; 0: no standard errors (default: 100000)",
      integer(0),
    )
    .option(
      "-o, --output <dir>",
      "folder for results_*.json, samples_*.jsonl and the journal with which a stopped run goes on",
    )
    .option("--dump-requests <file>", "write every request as a JSON line, and stop");
  addGlobalOptions(addEngineOptions(addAdapterOption(command))).action(
    async (model: string | undefined, flags: EvaluateOptions) => {
      const { tasks, dataDir, limit, taskVersion, dumpRequests: path } = flags;
      const chosen = { tasks, ...defined({ dataDir, limit, taskVersion }) };
      if (path !== undefined) {
        const dumped = await withRun(terminal, flags, (run) => dumpRequests(run, { ...chosen, path }));
        printResult(terminal, flags, dumped, () => `${dumped.numRequests} requests written to ${path}`);
        return;
      }
      if (model === undefined) {
        throw new UsageError(
          "eval: expected a model, got none. Give a checkpoint folder or a hub id, or --dump-requests FILE.",
        );
      }
      const { batchSize, addBos, maxLength, bootstrapIters, output, adapter, backend, threads } = flags;
      await withRun(terminal, flags, async (run) => {
        const report = await evaluateModel(run, {
          ...chosen,
          model,
          ...defined({ batchSize, addBos, maxLength, bootstrapIters, output, adapter, backend, threads }),
        });
        printResult(terminal, flags, reportJson(report), () => formatResults(taskTable(report.tasks)));
      });
    },
  );
}

function reportJson({ tasks, files }: EvaluationReport): object {
  const results = Object.fromEntries(
    tasks.map(({ task, metrics, documents }) => [
      task.name,
      {
        version: task.version,
        documents: documents.length,
        metrics: Object.fromEntries(metrics.map(({ metric, value, stderr }) => [metric, { value, stderr }])),
      },
    ]),
  );
  return { results, ...(files && { files }) };
}

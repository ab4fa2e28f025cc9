import { score, scoreShard, type ScoreResult, type ScoreShardResult } from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import {
  addCalibrationOptions,
  addEngineOptions,
  addGlobalOptions,
  addMemoryOption,
  addWorkersOption,
} from "../model-options.js";
import { keyValue, nameList, numberBetween, positiveNumber, shard } from "../option-types.js";
import { calibrationRequest, defined } from "./prune.js";

interface ScoreOptions extends GlobalOptions {
  readonly importance: string[];
  readonly teacher?: string;
  readonly loss?: string;
  readonly option?: Readonly<Record<string, unknown>>;
  readonly alpha?: number;
  readonly tau?: number;
  readonly output: string;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly force?: boolean;
  readonly calibration?: string;
  readonly backend?: string;
  readonly threads?: number;
  readonly memory?: string;
  readonly workers?: number | "auto";
}

export function addScoreCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("score")
    .description(
      "Score the MLP neurons of a model and write a score file, from which any ratio can be pruned.",
    )
    .argument("<model>", "checkpoint folder or hub id")
    .requiredOption(
      "--importance <names>",
      "criteria, separated by commas; one pass feeds them all",
      nameList,
    )
    .requiredOption("-o, --output <file>", "score file to write (.safetensors)")
    .option("--option <key=value>", "option of the criteria; repeatable", keyValue)
    .option(
      "--shard <i/n>",
      "score the i-th of n parts of the windows; merge-scores puts them together",
      shard,
    )
    .option("--force", "replace the score file if it exists")
    .option("--teacher <model>", "model that distillation compares with (default: the model itself)")
    .addOption(
      new Option("--loss <name>", "loss of self-distillation (default: blend)").choices([
        "blend",
        "ce",
        "entropy",
      ]),
    )
    .option("--alpha <a>", "share of distillation in the blend (default: 0.4)", numberBetween(0, 1))
    .option("--tau <t>", "temperature of the teacher (default: 0.2)", positiveNumber);
  addGlobalOptions(
    addEngineOptions(addWorkersOption(addMemoryOption(addCalibrationOptions(command)))),
  ).action(async (model: string, flags: ScoreOptions) => {
    const { importance, teacher, loss, alpha, tau, output, shard, force, backend, threads, memory, workers } =
      flags;
    const request = {
      model,
      importances: importance,
      options: { ...defined({ loss, alpha, tau }), ...flags.option },
      calibration: calibrationRequest(flags),
      output,
      ...defined({ teacher, force, backend, threads, memory, workers }),
    };
    const result = await withRun(terminal, flags, (run): Promise<ScoreResult | ScoreShardResult> =>
      shard ? scoreShard(run, { ...request, shard }) : score(run, request),
    );
    const json = "scores" in result ? scoresJson(result) : result;
    printResult(terminal, flags, json, () => `written to ${output}`);
  });
}

/** Names and sizes: the scores themselves are in the file. */
export function scoresJson({ output, scores }: ScoreResult): object {
  const importances = Object.fromEntries(
    [...scores].map(([name, layers]) => [
      name,
      { layers: layers.length, widths: layers.map((l) => l.length) },
    ]),
  );
  return { output, importances };
}

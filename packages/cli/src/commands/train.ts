import { UsageError } from "@sdmprune/core";
import { LONG_ROWS } from "@sdmprune/data";
import { SCHEDULES } from "@sdmprune/lora";
import { checkTrainingData, train, TRAINING_PRESETS, type TrainRequest } from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { printResult, withRun, type GlobalOptions, type Terminal } from "../command-context.js";
import { addEngineOptions, addGlobalOptions, addMemoryOption } from "../model-options.js";
import { collect, integer, nameList, numberBetween, positiveNumber } from "../option-types.js";
import { trainingListeners } from "../training-listeners.js";
import { defined } from "./prune.js";

/** Options of the command line, as commander names them. */
interface TrainOptions extends GlobalOptions {
  readonly data: readonly string[];
  readonly output?: string;
  readonly lora?: boolean;
  readonly full?: boolean;
  readonly preset?: string;
  readonly teacher?: string;
  readonly alpha?: number;
  readonly tau?: number;
  readonly maxLength?: number;
  readonly epochs?: number;
  readonly maxSteps?: number;
  readonly maxTokens?: number;
  readonly lr?: number;
  readonly schedule?: TrainRequest["schedule"];
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly maxGradNorm?: number;
  readonly batchSize?: number;
  readonly gradAccum?: number;
  readonly r?: number;
  readonly loraAlpha?: number;
  readonly loraDropout?: number;
  readonly targetModules?: string[];
  readonly rslora?: boolean;
  readonly packing: boolean;
  readonly longRows?: TrainRequest["longRows"];
  readonly textKey?: string;
  readonly limit?: number;
  readonly heldOut?: number;
  readonly evalEvery?: number;
  readonly saveEvery?: number;
  readonly keepCheckpoints?: number;
  readonly checkData?: boolean;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly memory?: string;
  readonly backend?: string;
  readonly threads?: number;
}

export function addTrainCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("train")
    .description("Train a model, usually to recover what pruning took: LoRA adapters or all parameters.")
    .argument("<model>", "checkpoint folder or hub id")
    .requiredOption(
      "--data <source>",
      "training data: .txt, .jsonl, .json, .csv, .parquet, also .gz, a folder, or hub:org/name; repeatable. Rows with an instruction go through the Alpaca template",
      collect,
    )
    .option("-o, --output <dir>", "folder of the training: adapter or checkpoint, metrics, checkpoints")
    .option("--lora", "train LoRA adapters beside the frozen model (default)")
    .option("--full", "train all parameters")
    .addOption(new Option("--preset <name>", "published settings").choices(Object.keys(TRAINING_PRESETS)))
    .option("--teacher <model>", "distil from this model, usually the one before pruning")
    .option(
      "--alpha <a>",
      "share of distillation in the loss, with a teacher (default: 0.5)",
      numberBetween(0, 1),
    )
    .option("--tau <t>", "temperature of the teacher (default: 1)", positiveNumber)
    .option("--max-length <n>", "tokens of a sequence (default: 4096, or the model's maximum)", integer(2))
    .option("--epochs <n>", "passes over the data (default: 2)", integer(1))
    .option("--max-steps <n>", "optimiser steps instead of epochs", integer(1))
    .option("--max-tokens <n>", "end before the step that goes beyond so many tokens", integer(1))
    .option("--lr <x>", "peak learning rate (default: 1e-4)", positiveNumber)
    .addOption(new Option("--schedule <name>", "of the learning rate (default: cosine)").choices(SCHEDULES))
    .option("--warmup <n>", "steps over which the learning rate rises (default: 0)", integer(0))
    .option("--weight-decay <x>", "decoupled, not on biases and norms (default: 0.05)", numberBetween(0, 1))
    .option(
      "--max-grad-norm <x>",
      "clip the gradient to this norm; 0: never (default: 1)",
      numberBetween(0, 1e9),
    )
    .option("--batch-size <n>", "sequences of a micro-batch (default: 1)", integer(1))
    .option("--grad-accum <n>", "micro-batches of a step (default: 16)", integer(1))
    .option("--r <n>", "rank of the adapters (default: 8)", integer(1))
    .option("--lora-alpha <x>", "adapters are scaled by alpha / r (default: 16)", positiveNumber)
    .option(
      "--lora-dropout <p>",
      "part of an adapter's input dropped (default: 0.05)",
      numberBetween(0, 0.999),
    )
    .option(
      "--target-modules <names>",
      "layers with adapters, separated by commas (default: all linear layers)",
      nameList,
    )
    .option("--rslora", "scale by alpha / sqrt(r)")
    .option("--no-packing", "one example per sequence instead of as many as fit")
    .addOption(
      new Option("--long-rows <how>", "examples beyond --max-length (default: truncate)").choices(LONG_ROWS),
    )
    .option("--text-key <key>", "key of the text in a row; without it, instructions are looked for")
    .option("--limit <n>", "only the first n examples", integer(1))
    .option("--held-out <n>", "examples to measure the loss on (default: 1 in 100, at most 64)", integer(0))
    .option("--eval-every <n>", "steps between two such measurements (default: a tenth)", integer(1))
    .option("--save-every <n>", "steps between two checkpoints (default: a tenth, at most 100)", integer(1))
    .option("--keep-checkpoints <n>", "checkpoints to keep (default: 2)", integer(1))
    .option("--check-data", "print ten examples as they are trained on, what has no loss in ⟦ ⟧, and stop")
    .option("--resume", "go on from the last checkpoint of the same request")
    .option("--force", "replace a training in the output folder");
  addGlobalOptions(addEngineOptions(addMemoryOption(command))).action(
    async (model: string, flags: TrainOptions) => {
      const request = trainRequest(model, flags);
      if (flags.checkData) {
        const text = await withRun(terminal, flags, (run) => checkTrainingData(run, request));
        return printResult(terminal, flags, { examples: text }, () => text);
      }
      if (flags.output === undefined) {
        throw new UsageError("train: expected an output folder. Give one with -o DIR.");
      }
      const listeners = trainingListeners();
      const result = await withRun(terminal, flags, (run) => train(run, { ...request, listeners }));
      const { metrics, ...rest } = result;
      printResult(terminal, flags, { ...rest, metrics }, () =>
        [
          `${result.steps} steps, ${result.tokens} tokens, ${result.trainedParameters} parameters trained`,
          ...(metrics
            ? [
                `loss ${metrics.loss.toFixed(4)}${metrics.evalLoss === undefined ? "" : `, held out ${metrics.evalLoss.toFixed(4)}`}`,
              ]
            : []),
          `${result.mode === "lora" ? "adapter" : "checkpoint"} written to ${result.output}`,
        ].join("\n"),
      );
    },
  );
}

function trainRequest(model: string, flags: TrainOptions): TrainRequest {
  if (flags.lora && flags.full) throw new UsageError("train: expected --lora or --full, got both.");
  const { data, output = "", preset, teacher, alpha, tau, maxLength, epochs, maxSteps, maxTokens } = flags;
  const { schedule, weightDecay, maxGradNorm, batchSize, packing, longRows, textKey, limit } = flags;
  const { heldOut, evalEvery, saveEvery, keepCheckpoints, resume, force, memory, backend, threads } = flags;
  const { r, loraAlpha, loraDropout, targetModules, rslora: useRslora } = flags;
  return {
    ...{ model, output, data, packing },
    lora: defined({ r, loraAlpha, loraDropout, targetModules, useRslora }),
    ...defined({
      preset,
      teacher,
      alpha,
      tau,
      maxLength,
      epochs,
      maxSteps,
      maxTokens,
      schedule,
      weightDecay,
    }),
    ...defined({ maxGradNorm, batchSize, longRows, textKey, limit, heldOut, evalEvery, saveEvery }),
    ...defined({ keepCheckpoints, resume, force, memory, backend, threads }),
    ...defined({
      mode: flags.full ? ("full" as const) : flags.lora ? ("lora" as const) : undefined,
      learningRate: flags.lr,
      warmupSteps: flags.warmup,
      gradientAccumulation: flags.gradAccum,
    }),
  };
}

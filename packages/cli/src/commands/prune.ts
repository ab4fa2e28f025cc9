import { UsageError, type Config } from "@sdmprune/core";
import {
  checkRecovery,
  defined,
  prune,
  recover,
  TRAINING_PRESETS,
  type CalibrationRequest,
  type PruneRequest,
  type PruneResult,
  type RecoverRequest,
} from "@sdmprune/recipes";
import { formatPlan, planWidths } from "@sdmprune/pruning";
import { Option, type Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { formatCompatibility } from "../format-compatibility.js";
import { findConfigFile, loadConfigFile } from "../load-config.js";
import {
  addCalibrationOptions,
  addEngineOptions,
  addGlobalOptions,
  addMemoryOption,
  addWorkersOption,
} from "../model-options.js";
import { collect, integer, keyValue, numberBetween, positiveNumber, ratio } from "../option-types.js";

/** Options of the command line, as commander names them. */
type PruneOptions = GlobalOptions &
  Omit<Config, "pruningRatio" | "plugins"> & {
    readonly ratio?: number;
    readonly config?: string;
    readonly textKey?: string;
    readonly recover?: string;
    readonly recoverData?: readonly string[];
    readonly option?: Readonly<Record<string, unknown>>;
  };

export function addPruneCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("prune")
    .description("Remove MLP neurons from a checkpoint: a folder goes in, a smaller folder comes out.")
    .argument("[model]", "checkpoint folder or hub id")
    .option("-o, --output <dir>", "folder to write; with --plan-only the plan's file")
    .option(
      "--method <name>",
      "a registered method or importance; ls method and ls importance list them (default: sdmprune)",
    )
    .option(
      "--option <key=value>",
      "option of the method, which ls method --json lists; repeatable",
      keyValue,
    )
    .option("--ratio <r>", "part of the parameters to remove (default: 0.2)", ratio)
    .addOption(
      new Option("--ratio-of <what>", "what the ratio is a part of (default: total)").choices([
        "total",
        "non-embedding",
        "mlp",
      ]),
    )
    .option("--width <n>", "exact width instead of a ratio; ignores --round-to", integer(1))
    .option("--round-to <n>", "round the width to a multiple (default: 64)", integer(1))
    .option("--allocation <name>", "uniform or global (default: uniform)")
    .option("--alpha <a>", "share of distillation in the loss (default: 0.4)", numberBetween(0, 1))
    .option("--tau <t>", "temperature of the teacher (default: 0.2)", positiveNumber)
    .option("--stages <n>", "1: self-distillation straight from the dense model (default: 2)", integer(1))
    .option("--preset <name>", "paper-20, paper-30 or paper-40: the published settings")
    .option("--wanda-propagate", "wanda: score each layer on what the pruned layers before it put out")
    .addOption(
      new Option(
        "--compensate <how>",
        "make up for what is gone: ridge fits the down projection, bias adds a mean (default: none)",
      ).choices(["none", "ridge", "bias"]),
    )
    .option("--compensate-lambda <l>", "regularisation of the ridge (default: 0.01)", positiveNumber)
    .option("--scores <file>", "prune from a score file, without running the model")
    .option("--plan <file>", "apply a pruning plan")
    .option("--plan-only", "make the plan and print it; write no checkpoint")
    .addOption(
      new Option("--export <form>", "how unequal widths are written (default: padded)").choices([
        "padded",
        "heterogeneous",
      ]),
    )
    .addOption(
      new Option(
        "--recover <preset>",
        "then train what was pruned, into DIR-recovery, and merge, into DIR-recovered",
      ).choices(Object.keys(TRAINING_PRESETS)),
    )
    .option("--recover-data <source>", "training data of --recover; repeatable", collect)
    .option("--resume", "go on with an interrupted run of the same request")
    .option("--force", "replace the output if it exists")
    .option("--config <file>", "sdmprune.config.ts or .yaml (default: the one in this folder)");
  addGlobalOptions(
    addEngineOptions(addWorkersOption(addMemoryOption(addCalibrationOptions(command)))),
  ).action(async (model: string | undefined, flags: PruneOptions) => {
    const given = { ...flags, ...(flags.ratio !== undefined && { pruningRatio: flags.ratio }) };
    const config = withoutOverruled(await readConfig(flags.config), given);
    const options = { ...config, ...given };
    const plugin = [...(config.plugins ?? []), ...(flags.plugin ?? [])];
    const request = pruneRequest(model ?? config.model, options);
    const isPlan = options.planOnly ?? false;
    const recovery = recoveryRequest(request, flags);
    if (recovery) await checkRecovery(recovery);
    const { result, recovered } = await withRun(terminal, { ...options, plugin }, async (run) => {
      const pruned = await prune(run, request);
      return { result: pruned, recovered: recovery && (await recover(run, recovery)) };
    });
    const json = { ...resultJson(result, isPlan), ...(recovered && { recovered }) };
    printResult(terminal, flags, json, () =>
      [resultText(result, isPlan), ...(recovered ? [`recovered: ${recovered.output}`] : [])].join("\n"),
    );
  });
}

/** What `--recover` asks for; undefined without it. */
function recoveryRequest(
  { output, planOnly, force, memory, backend, threads }: PruneRequest,
  { recover: preset, recoverData: data }: PruneOptions,
): RecoverRequest | undefined {
  if (preset === undefined && data === undefined) return undefined;
  if (preset === undefined || data === undefined) {
    throw new UsageError(
      "recover: expected --recover PRESET together with --recover-data SOURCE, got one of them.",
    );
  }
  if (planOnly || output === undefined) {
    throw new UsageError("recover: expected a checkpoint to be written, got --plan-only or no -o DIR.");
  }
  return { pruned: output, preset, data, ...defined({ force, memory, backend, threads }) };
}

async function readConfig(file: string | undefined): Promise<Config> {
  const path = file ?? findConfigFile(process.cwd());
  return path === undefined ? {} : loadConfigFile(path);
}

/** Keys that say what to remove, and that a plan on the command line makes void. */
const DECIDED_BY_PLAN = [
  "pruningRatio",
  "width",
  "scores",
  "planOnly",
  "method",
  "allocation",
  "preset",
] as const;

/** The config file without what the command line contradicts: a flag wins over every key that it excludes. */
function withoutOverruled(config: Config, flags: Partial<Config>): Config {
  const overruled = new Set<string>();
  if (flags.plan !== undefined) DECIDED_BY_PLAN.forEach((key) => overruled.add(key));
  if (DECIDED_BY_PLAN.some((key) => flags[key] !== undefined)) overruled.add("plan");
  if (flags.pruningRatio !== undefined) overruled.add("width");
  if (flags.width !== undefined) overruled.add("pruningRatio");
  return Object.fromEntries(Object.entries(config).filter(([key]) => !overruled.has(key)));
}

function pruneRequest(
  model: string | undefined,
  options: Omit<PruneOptions, "ratio"> & Config,
): PruneRequest {
  if (model === undefined) {
    throw new UsageError("prune: expected a model. Name a checkpoint folder or a hub id.");
  }
  const { alpha, tau, stages, wandaPropagate: propagate } = options;
  return {
    ...options,
    model,
    methodOptions: {
      ...options.methodOptions,
      ...defined({ alpha, tau, stages, propagate }),
      ...options.option,
    },
    calibration: calibrationRequest(options),
    exportForm: options.export,
  };
}

export { defined };

/** What the calibration options ask for; undefined where no source is given. */
export function calibrationRequest(options: {
  calibration?: string;
  nsamples?: number;
  seqlen?: number;
  sampler?: string;
  textKey?: string;
}): CalibrationRequest | undefined {
  const { calibration: source, nsamples, seqlen, sampler, textKey } = options;
  if (source === undefined) return undefined;
  return {
    source,
    ...defined({ nsamples, seqlen, sampler: sampler as CalibrationRequest["sampler"], textKey }),
  };
}

function resultJson({ plan, output, compatibility }: PruneResult, isPlan: boolean): object {
  if (isPlan) return plan;
  return { output, widths: planWidths(plan), parameters: plan.parameters, compatibility };
}

function resultText({ plan, output, compatibility }: PruneResult, isPlan: boolean): string {
  const written = output === undefined ? [] : [`written to ${output}`];
  return [isPlan ? formatPlan(plan) : formatCompatibility(compatibility), ...written].join("\n");
}

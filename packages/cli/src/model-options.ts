import type { Command } from "commander";
import { collect, integer, workerCount } from "./option-types.js";

/** Adds the options that every verb has. */
export function addGlobalOptions(command: Command): Command {
  return command
    .option("--json", "print one JSON document on standard output and nothing else")
    .option("--quiet", "print no progress")
    .option("--plugin <plugin>", "load a plugin: a file (./x.ts) or a package name; repeatable", collect);
}

/** Adds the options of the verbs that compute. */
export function addEngineOptions(command: Command): Command {
  return command
    .option("--seed <n>", "seed of everything random (default: 0)", integer(0))
    .option("--backend <name>", "tensor backend (default: the first that can run)")
    .option("--threads <n>", "threads of the backend (default: one per core)", integer(1));
}

/** Adds the option of the verbs that plan their memory. */
export function addMemoryOption(command: Command): Command {
  return command.option(
    "--memory <size>",
    "memory for the whole process, such as 4GiB, or auto: what is free (default: auto)",
  );
}

/** Adds the option of the verbs that compute several samples at a time. */
export function addWorkersOption(command: Command): Command {
  return command.option(
    "--workers <n>",
    "samples computed at the same time, which share the threads, or auto (default: auto, several for small models)",
    workerCount,
  );
}

/** Adds the options that say where calibration samples come from. */
export function addCalibrationOptions(command: Command): Command {
  return command
    .option(
      "--calibration <source>",
      "calibration text: .txt, .jsonl, .json, .parquet, also .gz, or hub:org/name",
    )
    .option("--nsamples <n>", "number of calibration samples (default: 128)", integer(1))
    .option(
      "--seqlen <n>",
      "tokens per sample (default: 1024, or the model's maximum if that is less)",
      integer(2),
    )
    .option("--sampler <name>", "long-documents or packed (default: packed where too few documents are long)")
    .option("--text-key <key>", "key of the text in a row");
}

/** Adds the option of the verbs that a LoRA adapter can be applied in. */
export function addAdapterOption(command: Command): Command {
  return command.option("--adapter <dir>", "apply the LoRA adapter of this folder, ours or PEFT's");
}

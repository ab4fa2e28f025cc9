import { GGUF_FILE_TYPES, type GgufFileType, TORCH_DTYPES, type TorchDType } from "@sdmprune/model-io";
import { convert, defined, type ConvertResult } from "@sdmprune/recipes";
import { Option, type Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { addGlobalOptions } from "../model-options.js";

interface ConvertOptions extends GlobalOptions {
  readonly output: string;
  readonly dtype?: TorchDType;
  readonly type?: string;
  readonly force?: boolean;
}

export function addConvertCommand(program: Command, terminal: Terminal): void {
  const types = Object.keys(GGUF_FILE_TYPES).map((type) => type.toLowerCase());
  const command = program
    .command("convert")
    .description("Turn a GGUF file into a checkpoint folder, or a checkpoint into a GGUF file.")
    .argument("<input>", "GGUF file, checkpoint folder or hub id")
    .requiredOption("-o, --output <path>", "folder to write, or a file that ends in .gguf")
    .addOption(
      new Option(
        "--dtype <dtype>",
        "weights of the folder (default: the file's own, bfloat16 where it is quantised)",
      ).choices(Object.keys(TORCH_DTYPES)),
    )
    .addOption(new Option("--type <type>", "matrices of the GGUF file (default: f16)").choices(types))
    .option("--force", "replace the output if it exists");
  addGlobalOptions(command).action(async (input: string, flags: ConvertOptions) => {
    const { output, dtype, type, force } = flags;
    const request = {
      input,
      output,
      ...defined({ dtype, force, type: type?.toUpperCase() as GgufFileType }),
    };
    const result = await withRun(terminal, flags, (run) => convert(run, request));
    printResult(terminal, flags, result, () => resultText(result));
  });
}

function resultText(result: ConvertResult): string {
  const { output, tensors } = result;
  if (result.kind === "checkpoint") return `written to ${output}: ${tensors} tensors, ${result.dtype}`;
  const { type, bytes, fallbacks } = result;
  const written = `written to ${output}: ${tensors} tensors, ${type}, ${(bytes / 1e6).toFixed(1)} MB`;
  if (fallbacks.length === 0) return written;
  return `${written}\n${fallbacks.length} tensors are F16, as their rows are no multiple of 32: ${fallbacks[0]}${fallbacks.length > 1 ? ", …" : ""}`;
}

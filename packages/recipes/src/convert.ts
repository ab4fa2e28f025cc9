import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorMessage, NotFoundError, type Run, startTask, UsageError } from "@sdmprune/core";
import {
  exportLlama,
  type GgufFileType,
  type GgufLayout,
  ggufPieces,
  importLlama,
  openGguf,
  parseJsonObject,
  type TorchDType,
} from "@sdmprune/model-io";
import { FileByteSource, writeCheckpointInto, writeFileAtomic } from "@sdmprune/model-io/node";
import { openModel } from "./open-model.js";
import { assertNewFile, beginOutput } from "./replace-output.js";

export interface ConvertRequest {
  /** A GGUF file, or a checkpoint folder or hub id. */
  readonly input: string;
  /** A folder for a GGUF file; a `.gguf` file for a checkpoint. */
  readonly output: string;
  /** Of a folder: type of its weights. Default: the file's own float type, or bfloat16 where it is quantised. */
  readonly dtype?: TorchDType | undefined;
  /** Of a GGUF file: type of its matrices. Default `F16`. */
  readonly type?: GgufFileType | undefined;
  /** Replaces an existing output. */
  readonly force?: boolean | undefined;
}

export type ConvertResult =
  | {
      readonly kind: "checkpoint";
      readonly output: string;
      readonly dtype: TorchDType;
      readonly tensors: number;
    }
  | {
      readonly kind: "gguf";
      readonly output: string;
      readonly type: GgufFileType;
      readonly tensors: number;
      readonly bytes: number;
      /** Tensors that are F16 in a Q8_0 file, as their rows are no multiple of 32. */
      readonly fallbacks: readonly string[];
    };

/**
 * Turns a GGUF file of the llama architecture into a Hugging Face checkpoint folder, or a checkpoint, pruned or not,
 * into a GGUF file; which of the two follows from the input. Memory holds one tensor at a time, and the output appears
 * whole or not at all.
 *
 * @throws {UsageError} If the output does not fit the input, an option belongs to the other direction, or something
 *   stands at the output and `force` is not given.
 * @throws {FormatError} If the input is malformed, or has parts that the other format does not.
 */
export async function convert(run: Run, request: ConvertRequest): Promise<ConvertResult> {
  const entry = await stat(request.input).catch(() => undefined);
  if (!entry && request.input.endsWith(".gguf")) {
    throw new NotFoundError(`${request.input}: expected a GGUF file, got a path with nothing there.`);
  }
  return entry?.isFile() ? fromGguf(run, request) : toGguf(run, request);
}

async function fromGguf(
  run: Run,
  { input, output, dtype, type, force = false }: ConvertRequest,
): Promise<ConvertResult> {
  if (type !== undefined) {
    throw new UsageError(
      `convert: a GGUF file becomes a folder, whose weights have a dtype. Use dtype instead of type.`,
    );
  }
  if (output.endsWith(".gguf")) {
    throw new UsageError(
      `${output}: expected the name of a folder, as ${input} is a file, got that of a GGUF file.`,
    );
  }
  const imported = await importLlama(await openGguf(await FileByteSource.open(input), input), {
    torchDType: dtype,
  });
  const folder = await beginOutput(output, input, force);
  try {
    const task = startTask(run.progress, "convert", { unit: "bytes" });
    await writeCheckpointInto(folder, {
      config: imported.config,
      tensors: imported.tensors,
      extraFiles: imported.files,
      onProgress: (done, total) =>
        run.progress({ type: "advance", task: "convert", done, total, unit: "bytes" }),
      signal: run.signal,
    });
    task.end();
    await folder.commit();
  } finally {
    await folder.discard();
  }
  return { kind: "checkpoint", output, dtype: imported.torchDType, tensors: imported.tensors.length };
}

async function toGguf(
  run: Run,
  { input, output, dtype, type = "F16", force = false }: ConvertRequest,
): Promise<ConvertResult> {
  if (dtype !== undefined) {
    throw new UsageError(
      `convert: a checkpoint becomes a GGUF file, whose matrices have a type. Use type instead of dtype.`,
    );
  }
  if (!output.endsWith(".gguf")) {
    throw new UsageError(
      `${output}: expected the name of a file that ends in .gguf, as ${input} is a checkpoint.`,
    );
  }
  await assertNewFile(output, force);
  const { checkpoint } = await openModel(run, input);
  const readJson = async (name: string) => {
    const text = await readText(checkpoint.dir, name);
    return text === undefined ? undefined : parseJsonObject(text, join(checkpoint.name, name));
  };
  const tokenizer = await readJson("tokenizer.json");
  if (tokenizer === undefined) {
    throw new NotFoundError(
      `${checkpoint.name}: expected a tokenizer.json, which a GGUF file needs, got none. Make one with Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).`,
    );
  }
  const exported = exportLlama({
    checkpoint,
    tokenizer: {
      tokenizer,
      tokenizerConfig: (await readJson("tokenizer_config.json")) ?? {},
      chatTemplate: await readText(checkpoint.dir, "chat_template.jinja"),
    },
    type,
    modelName: basename(input.replace(/[/\\]+$/, "")),
  });
  await writeFileAtomic(output, watchedPieces(run, exported));
  const { tensors, totalBytes: bytes, fallbacks } = exported;
  return { kind: "gguf", output, type, tensors: tensors.length, bytes, fallbacks };
}

/** Pieces of the file, with progress; an interruption ends them between two tensors. */
async function* watchedPieces(run: Run, layout: GgufLayout): AsyncGenerator<Uint8Array> {
  const task = startTask(run.progress, "convert", { total: layout.totalBytes, unit: "bytes" });
  let done = 0;
  for await (const piece of ggufPieces(layout)) {
    run.signal?.throwIfAborted();
    yield piece;
    task.advance((done += piece.byteLength));
  }
  task.end();
}

/** A text file of a folder; undefined if there is none. */
async function readText(dir: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(dir, name), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new NotFoundError(`${join(dir, name)}: expected a readable file, got: ${errorMessage(cause)}.`, {
      cause,
    });
  }
}

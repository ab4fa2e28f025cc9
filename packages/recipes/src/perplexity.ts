import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FormatError, NotFoundError, type Run } from "@sdmprune/core";
import { openRows } from "@sdmprune/data/node";
import {
  findPerplexityPreset,
  perplexity,
  type Perplexity,
  type PerplexityBos,
  type PerplexityPreset,
  type WindowNll,
} from "@sdmprune/evaluation";
import { causalLMScorer } from "@sdmprune/evaluation/causal-lm";
import { openTokenizer } from "@sdmprune/model-io/node";
import { applyAdapter, type AppliedAdapter } from "./apply-adapter.js";
import { openModel } from "./open-model.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface PerplexityRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Folder of a LoRA adapter to apply to the model. */
  readonly adapter?: string;
  /** A text file, read whole; with a preset also a file with rows of text. */
  readonly text: string;
  /** A published protocol: how the text is put together, and the window and BOS unless they are given here, too. */
  readonly preset?: string;
  /** Tokens per window. Default 2048, or the model's longest sequence if that is less. */
  readonly window?: number;
  /** Default: the window, so that windows do not overlap. */
  readonly stride?: number;
  /** Where a BOS stands. Default: at the start of each window if the tokenizer adds one to texts, else nowhere. */
  readonly bos?: PerplexityBos;
  /** Only the first so many windows count. Default: all. */
  readonly maxWindows?: number;
  /** Told of each window as soon as it is scored. */
  readonly onWindow?: (window: WindowNll) => void;
}

export interface PerplexityReport extends Perplexity {
  /** SHA-256 of the text file. */
  readonly sha256: string;
  readonly preset: string | undefined;
}

/** Perplexity of a model on a text file; the number comes with all that is needed to compute it elsewhere. */
export async function measurePerplexity(run: Run, request: PerplexityRequest): Promise<PerplexityReport> {
  const preset = request.preset === undefined ? undefined : findPerplexityPreset(request.preset);
  const model = await openModel(run, request.model);
  const { text, sha256 } = await readText(request.text, preset);
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  await startEngine(run, request);
  const lm = await model.family.load(model.checkpoint, model.config);
  const window = request.window ?? preset?.window;
  let adapter: AppliedAdapter | undefined;
  try {
    adapter = request.adapter === undefined ? undefined : await applyAdapter(lm, request.adapter);
    const result = await perplexity(causalLMScorer(lm, { signal: run.signal }), ids, {
      ...(window !== undefined && { window }),
      ...(request.stride !== undefined && { stride: request.stride }),
      bos: request.bos ?? (tokenizer.addsBosToken ? (preset?.bos ?? "each") : "none"),
      bosTokenId: tokenizer.bosTokenId,
      dropPartial: preset?.dropPartial ?? false,
      maxWindows: request.maxWindows,
      onWindow: request.onWindow,
      progress: run.progress,
      signal: run.signal,
    });
    return { ...result, sha256, preset: preset?.name };
  } finally {
    adapter?.dispose();
    lm.dispose();
  }
}

/** The text to score: the file as it stands, or its rows put together as the preset does. */
async function readText(
  path: string,
  preset: PerplexityPreset | undefined,
): Promise<{ text: string; sha256: string }> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new NotFoundError(`text: cannot read "${path}". Give a text file with --text FILE.`, { cause });
  });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (!preset) return { text: bytes.toString("utf8"), sha256 };
  if (!ROWS.test(path)) return { text: preset.textOfRows(preset.rowsOfFile(bytes.toString("utf8"))), sha256 };
  const { rows } = await openRows(path);
  const texts = rows.map(({ id, value }) => {
    const text = value["text"] ?? value["sentence"];
    if (typeof text === "string") return text;
    throw new FormatError(
      `${id}: expected a column "text" or "sentence", got ${Object.keys(value).join(", ")}.`,
    );
  });
  return { text: preset.textOfRows(texts), sha256 };
}

const ROWS = /\.(parquet|jsonl|json|csv|tsv)(\.gz)?$/;

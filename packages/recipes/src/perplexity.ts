import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { NotFoundError, type Run } from "@sdmprune/core";
import { perplexity, type Perplexity, type PerplexityBos } from "@sdmprune/evaluation";
import { causalLMScorer } from "@sdmprune/evaluation/causal-lm";
import { openTokenizer } from "@sdmprune/model-io/node";
import { openModel } from "./open-model.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface PerplexityRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** A text file, read whole. */
  readonly text: string;
  /** Tokens per window. Default 2048, or the model's longest sequence if that is less. */
  readonly window?: number;
  /** Default: the window, so that windows do not overlap. */
  readonly stride?: number;
  /** Where a BOS stands. Default: at the start of each window if the tokenizer adds one to texts, else nowhere. */
  readonly bos?: PerplexityBos;
}

export interface PerplexityReport extends Perplexity {
  /** SHA-256 of the text file. */
  readonly sha256: string;
}

/** Perplexity of a model on a text file; the number comes with all that is needed to compute it elsewhere. */
export async function measurePerplexity(run: Run, request: PerplexityRequest): Promise<PerplexityReport> {
  const model = await openModel(run, request.model);
  const text = await readFile(request.text).catch((cause: unknown) => {
    throw new NotFoundError(`text: cannot read "${request.text}". Give a text file with --text FILE.`, {
      cause,
    });
  });
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const ids = tokenizer.encode(text.toString("utf8"), { addSpecialTokens: false });
  await startEngine(run, request);
  const lm = await model.family.load(model.checkpoint, model.config);
  try {
    const result = await perplexity(causalLMScorer(lm, { signal: run.signal }), ids, {
      ...(request.window !== undefined && { window: request.window }),
      ...(request.stride !== undefined && { stride: request.stride }),
      bos: request.bos ?? (tokenizer.addsBosToken ? "each" : "none"),
      bosTokenId: tokenizer.bosTokenId,
      progress: run.progress,
      signal: run.signal,
    });
    return { ...result, sha256: createHash("sha256").update(text).digest("hex") };
  } finally {
    lm.dispose();
  }
}

import { NotFoundError, UsageError, type Run } from "@sdmprune/core";
import { sampleWindows, type BosPolicy, type CalibrationSet, type Sampler } from "@sdmprune/data";
import { openDocuments } from "@sdmprune/data/node";
import { openTokenizer } from "@sdmprune/model-io/node";
import type { OpenedModel } from "./open-model.js";

/** Where calibration samples come from, and how many. */
export interface CalibrationRequest {
  /** A file of text or rows, a registered data set, or `hub:org/name`. */
  readonly source: string;
  /** Number of samples. Default 128. */
  readonly nsamples?: number;
  /** Tokens per sample. Default 1024, or the model's longest sequence if that is less. */
  readonly seqlen?: number;
  /** Which windows are cut from the text; by default long documents, or packed short ones where those are too few. */
  readonly sampler?: Sampler;
  readonly bos?: BosPolicy;
  /** Key of the text in a row. */
  readonly textKey?: string;
}

const DEFAULT_NSAMPLES = 128;
const DEFAULT_SEQLEN = 1024;

/**
 * Draws the run's calibration samples.
 *
 * @throws {UsageError} If no source is given, or `seqlen` is longer than the model takes.
 */
export async function drawCalibration(
  run: Run,
  model: OpenedModel,
  request: CalibrationRequest | undefined,
  neededBy: string,
): Promise<CalibrationSet> {
  if (!request) {
    throw new UsageError(`${neededBy} needs calibration text. Give it with --calibration FILE.`);
  }
  const longest = model.config.maxPositionEmbeddings;
  const seqlen = request.seqlen ?? Math.min(DEFAULT_SEQLEN, longest);
  if (seqlen > longest) {
    throw new UsageError(
      `seqlen: expected at most ${longest} (the model's max_position_embeddings), got ${seqlen}.`,
    );
  }
  const { textKey } = request;
  const documents = await openDocuments(request.source, { registries: run.registries, textKey });
  const calibration = await sampleWindows(documents, await tokenizerIfAny(model), {
    nsamples: request.nsamples ?? DEFAULT_NSAMPLES,
    seqlen,
    sampler: request.sampler,
    bos: request.bos,
    seed: run.seed,
    vocabSize: model.config.vocabSize,
    progress: run.progress,
    signal: run.signal,
  });
  const tooLong = calibration.samples.find(({ ids }) => ids.length > longest);
  if (tooLong) {
    throw new UsageError(
      `calibration: sample ${tooLong.document} has ${tooLong.ids.length} tokens, the model takes at most ${longest}.`,
    );
  }
  return calibration;
}

/** Rows of `input_ids` need no tokenizer, so a model without one can be pruned, too. */
async function tokenizerIfAny({
  checkpoint,
}: OpenedModel): Promise<Awaited<ReturnType<typeof openTokenizer>> | undefined> {
  try {
    return await openTokenizer(checkpoint.dir);
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

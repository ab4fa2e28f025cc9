import { FormatError, Rng, silentProgress, UsageError, type ProgressListener } from "@sdmprune/core";
import type { CalibrationSample } from "./calibration-sample.js";
import type { Document, TextDocument } from "./document.js";
import { longDocumentWindows } from "./long-document-windows.js";
import { packedWindows } from "./packed-windows.js";
import { shuffleDocuments } from "./shuffle-documents.js";
import type { TokenEncoder } from "./token-encoder.js";
import { createDocumentTokenizer, type WindowBos } from "./document-tokenizer.js";

export const SAMPLERS = ["long-documents", "packed"] as const;

export type Sampler = (typeof SAMPLERS)[number];

/** What is asked of BOS; {@link SampleWindowsOptions.bos} says what `auto` is. */
export const BOS_POLICIES = ["auto", "always", "never"] as const;

export type BosPolicy = (typeof BOS_POLICIES)[number];

/** Without a sampler asked for, long documents are given up after this many times the tokens asked for. */
const LONG_DOCUMENT_BUDGET = 32;

export interface SampleWindowsOptions {
  /** How many samples. */
  nsamples: number;
  /** Tokens per sample. */
  seqlen: number;
  /** Seed of the order of the documents and of the places of the windows. */
  seed: number;
  /** Size of the model's embedding: every id must be below. */
  vocabSize: number;
  /** Default: `long-documents`, or, if too few documents are long enough, `packed` with a warning. */
  sampler?: Sampler;
  /** `auto`, the default: `always` for `packed` if the tokenizer has a BOS token, as drawn for `long-documents`. */
  bos?: BosPolicy;
  progress?: ProgressListener;
  signal?: AbortSignal;
}

/** Windows drawn from text, and how. */
export interface DrawnWindows {
  readonly sampler: Sampler;
  readonly seqlen: number;
  readonly bos: WindowBos;
  readonly samples: readonly CalibrationSample[];
}

/** Draws windows from text by the sampler asked for, or, if none is, by the one that the documents are long enough for. */
export async function drawWindows(
  documents: AsyncIterable<Document>,
  encoder: TokenEncoder,
  name: string,
  {
    nsamples,
    seqlen,
    seed,
    vocabSize,
    sampler,
    bos = "auto",
    progress = silentProgress,
  }: SampleWindowsOptions,
  onSample: (numSamples: number) => void,
): Promise<DrawnWindows> {
  const rng = new Rng(seed, "calibration");
  const shuffled = () => shuffleDocuments(textOnly(documents), rng.fork("documents"));
  if (sampler !== "packed") {
    const policy = bos === "auto" ? "document" : bos;
    const { samples, numDocuments } = await longDocumentWindows(
      shuffled(),
      createDocumentTokenizer(encoder, policy, vocabSize),
      {
        nsamples,
        seqlen,
        rng: rng.fork("offsets"),
        maxTokens: sampler === undefined ? LONG_DOCUMENT_BUDGET * nsamples * seqlen : Infinity,
        onSample,
      },
    );
    if (samples.length === nsamples) return { sampler: "long-documents", seqlen, bos: policy, samples };
    const found =
      `${name}: ${samples.length} of ${numDocuments} documents looked at are longer than ${seqlen} tokens, ` +
      `and ${nsamples} are needed`;
    if (sampler === "long-documents") {
      throw new UsageError(
        `${found}. Use the sampler "packed", lower nsamples or seqlen, or give more text.`,
      );
    }
    progress({
      type: "warning",
      message: `${found}; documents of any length are packed instead (sampler "packed").`,
    });
  }
  const policy = bos !== "auto" ? bos : encoder.bosTokenId === undefined ? "document" : "always";
  const tokenizer = createDocumentTokenizer(encoder, policy, vocabSize);
  const { samples, numDocuments, numTokens } = await packedWindows(shuffled(), tokenizer, {
    nsamples,
    seqlen,
    onSample,
  });
  if (samples.length === nsamples) return { sampler: "packed", seqlen, bos: policy, samples };
  const advice = samples.length > 0 ? `Lower nsamples to ${samples.length}, lower seqlen` : "Lower seqlen";
  throw new UsageError(
    `${name}: expected text for ${nsamples} windows of ${seqlen} tokens, got enough for ${samples.length} ` +
      `(${numTokens} tokens in ${numDocuments} documents). ${advice}, or give more text.`,
  );
}

/** The same documents; iterating throws at the first that is not text. */
function textOnly(documents: AsyncIterable<Document>): AsyncIterable<TextDocument> {
  return {
    async *[Symbol.asyncIterator]() {
      for await (const document of documents) {
        if ("text" in document) yield document;
        else {
          throw new FormatError(
            `${document.id}: expected text as in the first row, got "input_ids". Keep rows of one kind in a data set.`,
          );
        }
      }
    },
  };
}

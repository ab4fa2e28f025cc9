import type { Rng } from "@sdmprune/core";
import { createSample, type CalibrationSample } from "./calibration-sample.js";
import type { TextDocument } from "./document.js";
import type { DocumentTokenizer } from "./document-tokenizer.js";

export interface LongDocumentWindows {
  readonly samples: readonly CalibrationSample[];
  /** How many documents were tokenised. */
  readonly numDocuments: number;
}

/**
 * One window of `seqlen` tokens from each document of more than `seqlen` tokens, at a uniformly random place
 * (the calibration sampler of SparseGPT, Wanda and SDMPrune). Stops when it has enough, when the documents
 * end, or when `maxTokens` tokens have been looked at.
 */
export async function longDocumentWindows(
  documents: AsyncIterable<TextDocument>,
  tokenizer: DocumentTokenizer,
  options: {
    nsamples: number;
    seqlen: number;
    rng: Rng;
    maxTokens: number;
    onSample: (numSamples: number) => void;
  },
): Promise<LongDocumentWindows> {
  const { nsamples, seqlen, rng, maxTokens, onSample } = options;
  const samples: CalibrationSample[] = [];
  let numDocuments = 0;
  let numTokens = 0;
  for await (const document of documents) {
    const tokens = tokenizer.tokenize(document);
    numDocuments++;
    numTokens += tokens.length;
    if (tokens.length > seqlen) {
      const offset = rng.integer(tokens.length - seqlen);
      const needsBos = tokenizer.bos === "always" && tokens[offset] !== tokenizer.bosTokenId;
      const length = needsBos ? seqlen - 1 : seqlen;
      const span = { document: document.id, offset, length };
      const window = tokens.slice(offset, offset + length);
      samples.push(createSample([span], window, needsBos ? tokenizer.bosTokenId : undefined));
      onSample(samples.length);
      if (samples.length === nsamples) break;
    }
    if (numTokens >= maxTokens) break;
  }
  return { samples, numDocuments };
}

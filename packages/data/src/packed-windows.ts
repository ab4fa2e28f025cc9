import { createSample, type CalibrationSample, type TokenSpan } from "./calibration-sample.js";
import type { TextDocument } from "./document.js";
import type { DocumentTokenizer } from "./document-tokenizer.js";

export interface PackedWindows {
  readonly samples: readonly CalibrationSample[];
  readonly numDocuments: number;
  readonly numTokens: number;
}

/**
 * Windows of `seqlen` tokens cut one after another from the documents laid end to end, short ones too:
 *
 *     documents   [BOS a a a][BOS b b b b b b b][BOS c c c …
 *     windows     |BOS a a a BOS b|BOS b b b b b|BOS b BOS c c c|…     seqlen 6, BOS always
 *
 * With `bos: "always"` a window that would start inside a document gets a BOS in front. The rest at the end,
 * too short for a window, is dropped.
 */
export async function packedWindows(
  documents: AsyncIterable<TextDocument>,
  tokenizer: DocumentTokenizer,
  options: { nsamples: number; seqlen: number; onSample: (numSamples: number) => void },
): Promise<PackedWindows> {
  const { nsamples, seqlen, onSample } = options;
  const samples: CalibrationSample[] = [];
  let numDocuments = 0;
  let numTokens = 0;
  let window: number[] = [];
  let spans: TokenSpan[] = [];
  let prefix: number | undefined;
  for await (const document of documents) {
    const tokens = tokenizer.tokenize(document);
    numDocuments++;
    numTokens += tokens.length;
    for (let offset = 0; offset < tokens.length;) {
      if (window.length === 0) {
        const needsBos = tokenizer.bos === "always" && tokens[offset] !== tokenizer.bosTokenId;
        prefix = needsBos ? tokenizer.bosTokenId : undefined;
      }
      const room = seqlen - window.length - (prefix === undefined ? 0 : 1);
      const length = Math.min(room, tokens.length - offset);
      for (let i = offset; i < offset + length; i++) window.push(tokens[i]!);
      spans.push({ document: document.id, offset, length });
      offset += length;
      if (length < room) continue;
      samples.push(createSample(spans, window, prefix));
      onSample(samples.length);
      if (samples.length === nsamples) return { samples, numDocuments, numTokens };
      window = [];
      spans = [];
    }
  }
  return { samples, numDocuments, numTokens };
}

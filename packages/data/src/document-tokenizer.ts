import { UsageError } from "@sdmprune/core";
import type { TextDocument } from "./document.js";
import type { TokenEncoder } from "./token-encoder.js";

/**
 * Which windows begin with BOS. `always`: every one. `document`: those that start where a document does, if
 * the tokenizer puts a BOS there. `never`: none, the text is tokenised without special tokens.
 */
export type WindowBos = "always" | "document" | "never";

/** What turns documents into token ids for a sampler. */
export interface DocumentTokenizer {
  readonly bos: WindowBos;
  readonly bosTokenId: number | undefined;
  tokenize(document: TextDocument): readonly number[];
}

/**
 * @param vocabSize - Every id must be below: it is a row of the model's embedding.
 * @throws {UsageError} If `bos` is `always` and the tokenizer has none; when tokenising, if an id is too large.
 */
export function createDocumentTokenizer(
  encoder: TokenEncoder,
  bos: WindowBos,
  vocabSize: number,
): DocumentTokenizer {
  const { bosTokenId } = encoder;
  if (bos === "always" && bosTokenId === undefined) {
    throw new UsageError(
      `bos: expected a tokenizer with a BOS token for "always", got one without. Use "never".`,
    );
  }
  return {
    bos,
    bosTokenId,
    tokenize({ id, text }) {
      const ids = Array.from(encoder.encode(text, { addSpecialTokens: bos !== "never" }));
      if (bos === "always" && ids[0] !== bosTokenId) ids.unshift(bosTokenId!);
      const wrong = ids.find((token) => token >= vocabSize);
      if (wrong !== undefined) {
        throw new UsageError(
          `${id}: expected token ids below the model's vocab_size (${vocabSize}), got ${wrong}. ` +
            `The tokenizer belongs to another model.`,
        );
      }
      return ids;
    },
  };
}

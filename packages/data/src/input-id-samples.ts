import { FormatError } from "@sdmprune/core";
import { createSample, type CalibrationSample } from "./calibration-sample.js";
import type { Document } from "./document.js";

/**
 * One sample per row of token ids, as long as the row is, in file order, until there are `nsamples`.
 *
 * @throws {FormatError} If a row is text, or an id is not below `vocabSize`.
 */
export async function inputIdSamples(
  documents: Iterable<Document> | AsyncIterable<Document>,
  { nsamples, vocabSize }: { nsamples: number; vocabSize: number },
): Promise<CalibrationSample[]> {
  const samples: CalibrationSample[] = [];
  for await (const document of documents) {
    if (!("inputIds" in document)) {
      throw new FormatError(
        `${document.id}: expected "input_ids" as in the first row, got text. Keep rows of one kind in a data set.`,
      );
    }
    const { id, inputIds } = document;
    const wrong = inputIds.findIndex((token) => token < 0 || token >= vocabSize);
    if (wrong >= 0) {
      throw new FormatError(
        `${id}: expected "input_ids" below the model's vocab_size (${vocabSize}), got ${inputIds[wrong]} at position ${wrong}. ` +
          `Tokenise the text with this model's tokenizer.`,
      );
    }
    samples.push(createSample([{ document: id, offset: 0, length: inputIds.length }], inputIds));
    if (samples.length === nsamples) break;
  }
  return samples;
}

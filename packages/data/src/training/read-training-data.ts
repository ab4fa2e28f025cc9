import { FormatError } from "@sdmprune/core";
import type { ByteSource } from "@sdmprune/model-io";
import { detectFormat } from "../dataset-format.js";
import type { DocumentSource } from "../document.js";
import { readDocuments, type ReadDocumentsOptions } from "../read-documents.js";
import { streamRows } from "../read-rows.js";
import { instructionExample, isInstructionRow } from "./instruction-row.js";
import type { TrainingExample, TrainingSource } from "./training-example.js";

/**
 * The training examples of one file. Rows with an `instruction` go through the Alpaca template, unless `textKey`
 * asks for a field of them as plain text; everything else is documents as of `readDocuments`.
 *
 * Nothing is read before the examples are iterated, and every iteration reads anew. Iterating throws FormatError
 * for a malformed file or row, naming file and row.
 */
export function readTrainingData(source: ByteSource, options: ReadDocumentsOptions): TrainingSource {
  const documents = readDocuments(source, options);
  return {
    name: options.name,
    files: () => documents.files(),
    [Symbol.asyncIterator]: () => iterate(source, documents, options),
  };
}

/** Several sources as one, in the order given. */
export function concatTrainingData(name: string, sources: readonly TrainingSource[]): TrainingSource {
  return {
    name,
    files: async () => (await Promise.all(sources.map((source) => source.files()))).flat(),
    async *[Symbol.asyncIterator]() {
      for (const source of sources) yield* source;
    },
  };
}

/** Plain text as training examples. */
export function textTrainingData(documents: DocumentSource): TrainingSource {
  return {
    name: documents.name,
    files: () => documents.files(),
    [Symbol.asyncIterator]: () => textExamples(documents),
  };
}

async function* iterate(
  source: ByteSource,
  documents: DocumentSource,
  options: ReadDocumentsOptions,
): AsyncGenerator<TrainingExample> {
  if (await holdsInstructions(source, options)) {
    for await (const row of streamRows(source, options)) yield instructionExample(row);
  } else {
    yield* textExamples(documents);
  }
}

async function holdsInstructions(source: ByteSource, options: ReadDocumentsOptions): Promise<boolean> {
  const { name, format, textKey } = options;
  if (textKey !== undefined || (await detectFormat(source, name, format)) === "text") return false;
  try {
    for await (const { value } of streamRows(source, options)) return isInstructionRow(value);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error; // a list of strings, say: for the reader of documents to judge
  }
  return false;
}

async function* textExamples(documents: DocumentSource): AsyncGenerator<TrainingExample> {
  for await (const document of documents) {
    if ("text" in document) yield document;
    else {
      throw new FormatError(
        `${document.id}: expected text or an instruction to train on, got "input_ids". Give the rows as text.`,
      );
    }
  }
}

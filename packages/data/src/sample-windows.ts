import { InterruptedError, silentProgress, startTask, UsageError } from "@sdmprune/core";
import type { CalibrationSample } from "./calibration-sample.js";
import type { Document, DocumentSource } from "./document.js";
import {
  BOS_POLICIES,
  drawWindows,
  SAMPLERS,
  type DrawnWindows,
  type SampleWindowsOptions,
} from "./draw-windows.js";
import { inputIdSamples } from "./input-id-samples.js";
import { hashTokens, type SamplingProvenance } from "./sampling-provenance.js";
import type { TokenEncoder } from "./token-encoder.js";

export interface CalibrationSet {
  readonly samples: readonly CalibrationSample[];
  readonly provenance: SamplingProvenance;
}

/**
 * Draws the calibration samples: windows of `seqlen` tokens from text, or, from rows that hold `input_ids`,
 * one sample a row as it is, in file order.
 *
 * The same documents, tokenizer, seed and sampler give the same windows, and fewer samples are the first
 * ones of more. Text is tokenised as it is needed.
 *
 * @param documents - Of one kind, text or `input_ids`. Must be iterable more than once (an array, a
 *   {@link DocumentSource}), in a stable order.
 * @param encoder - The model's tokenizer; not needed for `input_ids`.
 * @throws {UsageError} If an option is out of range or there is too little text (saying how many windows there are).
 * @throws {FormatError} If a file or row is malformed, or an id is not below `vocabSize`.
 */
export async function sampleWindows(
  documents: DocumentSource | Iterable<Document> | AsyncIterable<Document>,
  encoder: TokenEncoder | undefined,
  options: SampleWindowsOptions,
): Promise<CalibrationSet> {
  const { nsamples, seed, vocabSize, progress = silentProgress, signal } = options;
  checkOptions(documents, options);
  const name = "name" in documents ? documents.name : "the documents";
  const watched = untilAborted(documents, signal);
  const task = startTask(progress, "draw calibration samples", { total: nsamples, unit: "samples" });
  try {
    let drawn: DrawnWindows | { sampler: "input-ids"; samples: readonly CalibrationSample[] };
    if (await holdsInputIds(watched, name)) {
      const samples = await inputIdSamples(watched, { nsamples, vocabSize });
      if (samples.length < nsamples) {
        const message = `${name}: all ${samples.length} rows of input_ids are used (nsamples is ${nsamples}).`;
        progress({ type: "warning", message });
      }
      drawn = { sampler: "input-ids", samples };
    } else if (encoder) {
      drawn = await drawWindows(watched, encoder, name, options, (done) => task.advance(done));
    } else {
      throw new UsageError(
        `${name}: expected a tokenizer for text, got none. Give rows of "input_ids" instead.`,
      );
    }
    const { samples, ...how } = drawn;
    return {
      samples,
      provenance: {
        ...how,
        nsamples: samples.length,
        seed,
        files: "files" in documents ? await documents.files() : [],
        samples: samples.map(({ ids, spans }) => ({ length: ids.length, spans })),
        tokensSha256: await hashTokens(samples),
      },
    };
  } finally {
    task.end();
  }
}

function checkOptions(documents: object, options: SampleWindowsOptions): void {
  const { nsamples, seqlen, vocabSize, sampler, bos } = options;
  for (const [key, value, least] of [
    ["nsamples", nsamples, 1],
    ["seqlen", seqlen, 2],
    ["vocabSize", vocabSize, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new UsageError(`${key}: expected an integer of at least ${least}, got ${value}.`);
    }
  }
  if (sampler !== undefined && !SAMPLERS.includes(sampler)) {
    throw new UsageError(`sampler: expected ${SAMPLERS.join(" or ")}, got "${String(sampler)}".`);
  }
  if (bos !== undefined && !BOS_POLICIES.includes(bos)) {
    throw new UsageError(`bos: expected ${BOS_POLICIES.join(", ")}, got "${String(bos)}".`);
  }
  if ("next" in documents) {
    throw new UsageError(
      "sampleWindows: expected documents that can be read again, got a generator. Pass an array.",
    );
  }
}

/** The same documents, checking before each whether the caller gave up. */
function untilAborted(
  documents: Iterable<Document> | AsyncIterable<Document>,
  signal: AbortSignal | undefined,
): AsyncIterable<Document> {
  return {
    async *[Symbol.asyncIterator]() {
      for await (const document of documents) {
        if (signal?.aborted) throw new InterruptedError("Interrupted while drawing calibration samples.");
        yield document;
      }
    },
  };
}

async function holdsInputIds(documents: AsyncIterable<Document>, name: string): Promise<boolean> {
  for await (const document of documents) return "inputIds" in document;
  throw new UsageError(`${name}: expected at least one document, got none. Give a file with text.`);
}

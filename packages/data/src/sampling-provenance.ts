import type { CalibrationSample, TokenSpan } from "./calibration-sample.js";
import type { SourceFile } from "./document.js";
import type { Sampler } from "./draw-windows.js";
import { sha256Hex } from "./read-documents.js";
import type { WindowBos } from "./document-tokenizer.js";

/** How a calibration set came about: all that is needed to draw it again and to know that it is the same. */
export interface SamplingProvenance {
  readonly sampler: Sampler | "input-ids";
  readonly nsamples: number;
  /** Absent for rows of `input_ids`, which have their own lengths. */
  readonly seqlen?: number;
  /** Absent for rows of `input_ids`, which are used as they are. */
  readonly bos?: WindowBos;
  readonly seed: number;
  readonly files: readonly SourceFile[];
  /** Length and origin of each sample, in order. */
  readonly samples: readonly { readonly length: number; readonly spans: readonly TokenSpan[] }[];
  /** SHA-256 of all samples' ids one after another, as little-endian int32. */
  readonly tokensSha256: string;
}

/** SHA-256 of the ids of all samples, one after another, as little-endian int32. */
export async function hashTokens(samples: readonly CalibrationSample[]): Promise<string> {
  const view = new DataView(new ArrayBuffer(4 * samples.reduce((sum, { ids }) => sum + ids.length, 0)));
  let at = 0;
  for (const { ids } of samples) {
    for (const id of ids) {
      view.setInt32(at, id, true);
      at += 4;
    }
  }
  return sha256Hex(new Uint8Array(view.buffer));
}

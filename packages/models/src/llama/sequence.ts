import { UsageError } from "@sdmprune/core";
import { rotaryFrequencies, rotaryTables, type AttentionSegment, type RotaryTables } from "@sdmprune/tensor";
import type { SequenceContext, SequenceOptions } from "../sequence-context.js";
import type { LlamaConfig } from "./config.js";

export interface LlamaSequence extends SequenceContext {
  readonly tables: RotaryTables;
}

/** Checks the positions of a pass and makes the rotary tables that all its blocks share. */
export function llamaSequence(
  config: LlamaConfig,
  batch: number,
  length: number,
  { cache, positions, attentionBias, segments, neuronMasks, dropoutSeed }: SequenceOptions,
): LlamaSequence {
  if (!Number.isSafeInteger(batch) || batch < 1 || !Number.isSafeInteger(length) || length < 1) {
    throw new UsageError(
      `sequence: expected at least one sequence of at least one token, got ${batch} of ${length}.`,
    );
  }
  if (segments && (batch > 1 || cache || attentionBias)) {
    throw new UsageError(
      "sequence: expected segments in one sequence, without a cache or an attention bias. Leave these out.",
    );
  }
  if (neuronMasks && neuronMasks.length !== config.numLayers) {
    throw new UsageError(
      `sequence: expected neuronMasks for ${config.numLayers} layers, got ${neuronMasks.length}.`,
    );
  }
  const start = cache?.length ?? 0;
  const all =
    positions ?? (segments ? segmentPositions(segments) : Int32Array.from({ length }, (_, t) => start + t));
  if (all.length !== length && all.length !== batch * length) {
    throw new UsageError(
      `sequence: expected ${length} positions, or ${batch * length} for a batch of ${batch}, got ${all.length}.`,
    );
  }
  for (let t = 0; t < all.length; t++) {
    if (!Number.isSafeInteger(all[t]) || all[t]! < 0 || all[t]! >= config.maxPositionEmbeddings) {
      throw new UsageError(
        `sequence: expected positions from 0 to ${config.maxPositionEmbeddings - 1} (max_position_embeddings), got ${all[t]}. Use a shorter sequence.`,
      );
    }
  }
  const { theta, scaling, partialFactor } = config.rotary;
  const frequencies = rotaryFrequencies({ headDim: config.headDim, theta, scaling, partialFactor });
  const tables = rotaryTables(frequencies, all, all.length === length ? undefined : batch);
  return {
    batch,
    length,
    attentionBias,
    cache,
    segments,
    dropoutSeed,
    neuronMasks,
    tables,
    dispose() {
      tables.cos.dispose();
      tables.sin.dispose();
    },
  };
}

/** Positions that rise from 0, or from the end of the segment that is continued. */
function segmentPositions(segments: readonly AttentionSegment[]): Int32Array {
  const ends: number[] = [];
  return Int32Array.from(
    segments.flatMap(({ length, after }) => {
      const start = after === undefined ? 0 : (ends[after] ?? 0);
      ends.push(start + length);
      return Array.from({ length }, (_, t) => start + t);
    }),
  );
}

import { UsageError } from "@sdmprune/core";
import { rankNeurons } from "./select-neurons.js";

export interface AllocationRequest {
  /** Scores per layer; shape `[F]` each, float64. */
  readonly scores: readonly Float64Array[];
  /** The width every layer would get if all were treated alike; sets the budget. */
  readonly width: number;
  /** Widths are multiples of this where a layer is not kept whole. */
  readonly roundTo: number;
}

/** Decides how many neurons each layer keeps. */
export interface Allocation {
  /** @returns One width per layer. */
  allocate(request: AllocationRequest): number[];
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    allocation: Allocation;
  }
}

/** The same width for every layer: portable everywhere. */
export function createUniformAllocation(): Allocation {
  return { allocate: ({ scores, width }) => scores.map((score) => Math.min(width, score.length)) };
}

/**
 * Ranks the neurons of all layers together and keeps the best, `roundTo` at a time: each layer's neurons,
 * best first, are cut into chunks of `roundTo`; chunks are taken by falling mean score (ties: lower layer)
 * until the budget of `layers * width` neurons is used. Every layer keeps at least one chunk. The budget is met
 * exactly where it and the layers' widths are multiples of `roundTo`, and never exceeded.
 */
export function createGlobalAllocation(): Allocation {
  return { allocate: allocateGlobally };
}

function allocateGlobally({ scores, width, roundTo }: AllocationRequest): number[] {
  const budget = scores.reduce((sum, score) => sum + Math.min(width, score.length), 0);
  const chunks = scores.flatMap((score, layer) => chunksOf(score, layer, roundTo));
  const widths = new Array<number>(scores.length).fill(0);
  let left = budget;
  const take = ({ layer, size }: Chunk): void => {
    widths[layer]! += size;
    left -= size;
  };
  const [first, rest] = [chunks.filter((c) => c.index === 0), chunks.filter((c) => c.index > 0)];
  first.forEach(take);
  if (left < 0) {
    throw new UsageError(
      `allocation "global": ${budget} neurons in all are fewer than one multiple of ${roundTo} for each of ${scores.length} layers. Choose a smaller ratio or --round-to.`,
    );
  }
  // A layer is taken best chunk first, without gaps: once a chunk is too much, the layer is done.
  const done = new Set<number>();
  for (const chunk of rest.sort((a, b) => b.mean - a.mean || a.layer - b.layer || a.index - b.index)) {
    if (done.has(chunk.layer)) continue;
    if (chunk.size > left) done.add(chunk.layer);
    else take(chunk);
  }
  return widths;
}

interface Chunk {
  readonly layer: number;
  readonly index: number;
  readonly size: number;
  readonly mean: number;
}

function chunksOf(score: Float64Array, layer: number, roundTo: number): Chunk[] {
  const ranked = rankNeurons(score);
  const chunks: Chunk[] = [];
  for (let start = 0; start < ranked.length; start += roundTo) {
    const members = ranked.subarray(start, start + roundTo);
    const sum = members.reduce((total, n) => total + score[n]!, 0);
    chunks.push({ layer, index: chunks.length, size: members.length, mean: sum / members.length });
  }
  return chunks;
}

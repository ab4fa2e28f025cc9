import { FormatError, UsageError } from "@sdmprune/core";
import type { JsonObject } from "@sdmprune/model-io";
import type { ScoreShardFile } from "./open-score-shard.js";

/** What the shards of a score add up to: the sums before a criterion's `finish`. */
export interface MergedShards {
  /** By criterion that looks at windows: a float64 vector of shape `[F]`, or `[numSums, F]`, per layer. */
  readonly sums: ReadonlyMap<string, readonly Float64Array[]>;
  readonly nsamples: number;
  readonly numTokens: number;
  /** The manifest of the score file. */
  readonly manifest: Readonly<JsonObject>;
}

/**
 * Adds up all shards of a score, window after window: the same bits as in one run. Holds the increments of one layer
 * and shard at a time.
 *
 * @param files - All shards, in any order.
 * @throws {UsageError} If a shard is missing, given twice, or of another run.
 * @throws {FormatError} If an increment is not finite.
 */
export async function mergeScoreShards(files: readonly ScoreShardFile[]): Promise<MergedShards> {
  const shards = inOrder(files);
  const [first] = shards as [ScoreShardFile];
  const sums = new Map<string, Float64Array[]>();
  for (const [importance, widths] of first.widths) {
    const layers = widths.map((width) => new Float64Array(width));
    for (const [layer, sum] of layers.entries()) {
      for (const shard of shards) addRows(sum, await shard.increments(importance, layer));
    }
    sums.set(importance, layers);
  }
  const total = (of: "nsamples" | "numTokens"): number => shards.reduce((n, { info }) => n + info[of], 0);
  return {
    sums,
    nsamples: total("nsamples"),
    numTokens: total("numTokens"),
    manifest: first.info.manifest,
  };
}

/** The shards of one run by index, each once. */
function inOrder(files: readonly ScoreShardFile[]): ScoreShardFile[] {
  const [first] = files;
  if (!first) throw new UsageError("merge-scores: expected the shards of a score, got none.");
  const { count } = first.info;
  const shards = new Map<number, ScoreShardFile>();
  for (const file of files) {
    assertSameRun(first, file);
    const { index } = file.info;
    const other = shards.get(index);
    if (other) {
      throw new UsageError(
        `${file.name}: expected every shard once, got shard ${index} of ${count} again after ${other.name}.`,
      );
    }
    shards.set(index, file);
  }
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !shards.has(index));
  if (missing.length > 0) {
    throw new UsageError(
      `merge-scores: expected all ${count} shards, got ${shards.size}; missing: ${missing.map((index) => `${index}/${count}`).join(", ")}.`,
    );
  }
  return [...shards.values()].sort((a, b) => a.info.index - b.info.index);
}

function assertSameRun(first: ScoreShardFile, file: ScoreShardFile): void {
  if (file.info.count !== first.info.count) {
    throw new UsageError(
      `${file.name}: expected one of ${first.info.count} shards, as ${first.name} is, got one of ${file.info.count}.`,
    );
  }
  const [a, b] = [first.info.manifest, file.info.manifest];
  const differing = Object.keys({ ...a, ...b }).filter(
    (key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]),
  );
  if (differing.length > 0) {
    throw new UsageError(
      `${file.name}: expected a shard of the same run as ${first.name}, got one that differs in ${differing.join(", ")}.`,
    );
  }
  const widths = ({ widths }: ScoreShardFile): string =>
    JSON.stringify([...widths].sort(([x], [y]) => (x < y ? -1 : 1)));
  if (widths(file) !== widths(first)) {
    throw new FormatError(
      `${file.name}: expected increments of the same criteria and widths as ${first.name}, got ${widths(file)}.`,
    );
  }
}

/** Adds the rows of a matrix of increments one after another. */
function addRows(sum: Float64Array, rows: Float32Array): void {
  for (let i = 0; i < rows.length; i++) sum[i % sum.length]! += rows[i]!;
}

import { FormatError } from "@sdmprune/core";
import {
  MemoryByteSource,
  openSafetensors,
  serializeSafetensors,
  type TensorToWrite,
} from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";
import { encodeScoreShard } from "./encode-score-shard.js";
import { mergeScoreShards } from "./merge-score-shards.js";
import { openScoreShard, type ScoreShardFile } from "./open-score-shard.js";
import { readScoreFile } from "./read-score-file.js";
import { shardRange } from "./score-shard.js";

const open = (bytes: Uint8Array): Promise<ScoreShardFile> =>
  openScoreShard(new MemoryByteSource(bytes), "1.safetensors");
const info = { index: 1, count: 1, nsamples: 3, numTokens: 30, manifest: { seed: 0 } };
// 1e8 + 1 - 1e8 is 1 in float64, and 0 in float32.
const rows = [1e8, 1, -1e8].map((value) => Float32Array.of(value, 1));

describe("shardRange", () => {
  it("takes windows apart without gap or overlap, into parts that differ by one at most", () => {
    for (const [nsamples, count] of [
      [5, 1],
      [5, 2],
      [5, 5],
      [128, 7],
    ] as const) {
      const ranges = Array.from({ length: count }, (_, i) => shardRange({ index: i + 1, count }, nsamples));
      expect(ranges[0]![0]).toBe(0);
      expect(ranges.at(-1)![1]).toBe(nsamples);
      ranges.slice(1).forEach(([start], i) => expect(start).toBe(ranges[i]![1]));
      const sizes = ranges.map(([start, end]) => end - start);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
  });
});

describe("a shard file", () => {
  it("holds the increments of every window, and what it is part of", async () => {
    const bytes = await encodeScoreShard(info, () => [2, 3], new Map([["taylor", [rows, []]]]));
    const file = await openSafetensors(bytes);
    expect(
      file.names.map((name) => `${file.tensor(name).dtype} ${name} [${file.tensor(name).shape}]`),
    ).toEqual(["F32 taylor/increments.0 [3,2]", "F32 taylor/increments.1 [0,3]"]);
    expect(JSON.parse(file.metadata["sdmprune_score_shard"]!)).toEqual({
      shard: { index: 1, count: 1 },
      nsamples: 3,
      num_tokens: 30,
      manifest: { seed: 0 },
    });
  });

  it("adds up in float64, in the order of the windows", async () => {
    const shard = await open(await encodeScoreShard(info, () => [2], new Map([["taylor", [rows]]])));
    const { sums, ...counts } = await mergeScoreShards([shard]);
    expect(sums.get("taylor")).toEqual([Float64Array.of(1, 3)]);
    expect(counts).toEqual({ nsamples: 3, numTokens: 30, manifest: { seed: 0 } });
  });

  it("is no score file", async () => {
    const bytes = await encodeScoreShard(info, () => [2], new Map([["taylor", [rows]]]));
    await expect(readScoreFile(new MemoryByteSource(bytes), "1.safetensors")).rejects.toThrow(
      "1.safetensors: expected a whole score file, got a shard of one. Merge all of them with merge-scores.",
    );
  });

  it("must have the same criteria and widths as the others", async () => {
    const files = await Promise.all(
      [2, 3].map(async (width, i) => {
        const bytes = await encodeScoreShard(
          { ...info, index: i + 1, count: 2 },
          () => [width],
          new Map([["taylor", [[]]]]),
        );
        return open(bytes);
      }),
    );
    await expect(mergeScoreShards(files)).rejects.toThrow(
      'expected increments of the same criteria and widths as 1.safetensors, got [["taylor",[3]]].',
    );
  });

  const matrix = (name: string, values: readonly number[]): TensorToWrite => ({
    name,
    dtype: "F32",
    shape: [1, values.length],
    data: () => new Uint8Array(Float32Array.from(values).buffer),
  });
  it.each<[string, TensorToWrite[], object, string]>([
    [
      "without increments where a layer is missing",
      [matrix("x/increments.1", [1])],
      {},
      '"x/increments.0", got none',
    ],
    ["with scores", [matrix("x/layers.0", [1])], {}, 'got "x/layers.0", F32 of shape [1, 1].'],
    ["with an impossible index", [], { shard: { index: 3, count: 2 } }, "must say which shard it is"],
    ["without windows", [], { nsamples: 0 }, '"nsamples":0'],
    ["without a manifest", [], { manifest: 1 }, "and hold the manifest"],
  ])("%s is refused", async (_what, tensors, change, message) => {
    const metadata = { shard: { index: 1, count: 1 }, nsamples: 1, num_tokens: 1, manifest: {}, ...change };
    const bytes = await serializeSafetensors(tensors, { sdmprune_score_shard: JSON.stringify(metadata) });
    await expect(open(bytes)).rejects.toThrow(FormatError);
    await expect(open(bytes)).rejects.toThrow(message);
  });

  it("with a value that is not finite is refused when it is read", async () => {
    const bad = [Float32Array.of(1, Infinity)];
    const shard = await open(await encodeScoreShard(info, () => [2], new Map([["x", [bad]]])));
    await expect(mergeScoreShards([shard])).rejects.toThrow(
      '1.safetensors: "x/increments.0" holds Infinity; increments must be finite.',
    );
  });
});

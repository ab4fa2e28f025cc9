import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openTokenizer } from "@sdmprune/model-io/node";
import { describe, expect, it } from "vitest";
import { packRows, tokenizeTrainingData, trainingSequences, type TrainingSequences } from "../src/index.js";
import { openTrainingData } from "../src/node.js";

/** Written by tools/reference/training_data.py with the tokenizers of transformers. */
interface Expected {
  instructions: {
    maxLength: number;
    rows: ({ ids: number[]; labels: number[] } | null)[];
    packed: Block[];
  }[];
  documents: { maxLength: number; packed: Block[] };
  packings: {
    maxLength: number;
    lengths: number[];
    isSplittable: boolean[];
    order: number[];
    sequences: [row: number, offset: number, length: number][][];
  }[];
  shared: {
    data: string;
    tokenizer: string;
    maxLength: number;
    sequences: number;
    tokens: number;
    sha256: string;
  }[];
}
interface Block {
  ids: number[];
  labels: number[];
  segmentLengths: number[];
}

const ROOT = join(import.meta.dirname, "../../..");
const FIXTURES = join(import.meta.dirname, "fixtures/training");
const SHARED = process.env["SDMPRUNE_SHARED"] ?? join(ROOT, "../shared");
const expected = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as Expected;
const demo = await openTokenizer(join(ROOT, "packages/cli/demo-model"));

function allBlocks(sequences: TrainingSequences): Block[] {
  return Array.from({ length: sequences.length }, (_, i) => {
    const { ids, labels, segmentLengths } = sequences.get(i);
    return { ids: [...ids], labels: [...labels], segmentLengths: [...segmentLengths] };
  });
}

describe("training data beside the tokenizers of transformers", () => {
  it.each(expected.instructions)(
    "makes the same ids and labels of instructions, packed and one by one, at $maxLength tokens",
    async ({ maxLength, rows, packed }) => {
      const source = await openTrainingData(join(FIXTURES, "instructions.jsonl"));
      const data = await tokenizeTrainingData(source, demo, { maxLength, vocabSize: 1024 });
      const alone = allBlocks(trainingSequences(data, { packing: false }));
      const kept = rows.filter((row) => row !== null);
      expect(alone).toEqual(kept.map((row) => ({ ...row, segmentLengths: [row.ids.length] })));
      const sequences = trainingSequences(data);
      expect(allBlocks(sequences)).toEqual(packed);
      expect(sequences.numTokens).toBe(kept.flatMap(({ ids }) => ids).length);
      expect(sequences.numLossTokens).toBe(
        kept.flatMap(({ labels }) => labels).filter((label) => label !== -100).length,
      );
    },
  );

  it("cuts documents into full blocks with the same segments", async () => {
    const { maxLength, packed } = expected.documents;
    const source = await openTrainingData(join(FIXTURES, "documents.txt"));
    const data = await tokenizeTrainingData(source, demo, { maxLength, vocabSize: 1024 });
    const sequences = trainingSequences(data);
    expect(allBlocks(sequences)).toEqual(packed);
    expect(packed.flatMap(({ labels }) => labels).filter((label) => label !== -100)).toHaveLength(
      sequences.numLossTokens,
    );
  });

  it.each(expected.packings.map((packing, i) => ({ i, ...packing })))(
    "packs the same rows together: case $i",
    ({ maxLength, lengths, isSplittable, order, sequences }) => {
      const plan = packRows(order, {
        length: (row) => lengths[row]!,
        isSplittable: (row) => isSplittable[row]!,
        maxLength,
        packing: true,
      });
      const packed = Array.from({ length: plan.starts.length - 1 }, (_, i) =>
        Array.from({ length: plan.starts[i + 1]! - plan.starts[i]! }, (_, k) => {
          const at = plan.starts[i]! + k;
          return [plan.rows[at], plan.offsets[at], plan.lengths[at]];
        }),
      );
      expect(packed).toEqual(sequences);
    },
  );
});

const FILES: Record<string, string> = {
  alpaca_en_demo: "data/alpaca/alpaca_en_demo.json",
  tinystories_sample: "data/tinystories/tinystories_sample.txt",
};

describe.skipIf(!existsSync(join(SHARED, FILES["alpaca_en_demo"]!)))(
  "real data beside the tokenizers of transformers (skipped without SDMPRUNE_SHARED)",
  () => {
    it.each(expected.shared)(
      "$data with the tokenizer of $tokenizer is the same, token by token",
      async ({ data: name, tokenizer, maxLength, sequences: numSequences, tokens, sha256 }) => {
        const encoder =
          tokenizer === "demo-model" ? demo : await openTokenizer(join(SHARED, "checkpoints", tokenizer));
        const source = await openTrainingData(join(SHARED, FILES[name]!));
        const limit = name === "tinystories_sample" ? 200 : undefined;
        const data = await tokenizeTrainingData(source, encoder, { maxLength, vocabSize: 1024, limit });
        const sequences = trainingSequences(data);
        const hash = createHash("sha256");
        for (let i = 0; i < sequences.length; i++) {
          const { ids, labels, segmentLengths } = sequences.get(i);
          for (const part of [ids, labels, Int32Array.from(segmentLengths)]) {
            hash.update(new Uint8Array(part.buffer));
          }
        }
        expect([sequences.length, sequences.numTokens, hash.digest("hex")]).toEqual([
          numSequences,
          tokens,
          sha256,
        ]);
      },
      60_000,
    );
  },
);

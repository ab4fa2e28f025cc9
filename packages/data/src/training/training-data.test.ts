import { Rng, type ProgressEvent } from "@sdmprune/core";
import { MemoryByteSource } from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";
import { alpacaPrompt } from "./alpaca-prompt.js";
import type { TrainingEncoder } from "./example-tokenizer.js";
import { concatTrainingData, readTrainingData } from "./read-training-data.js";
import { formatExamples, renderExamples } from "./render-sequences.js";
import { splitHeldOut } from "./split-held-out.js";
import { TokenStore } from "./token-store.js";
import {
  tokenizeTrainingData,
  type TokenizeTrainingDataOptions,
  type TrainingData,
} from "./tokenize-training-data.js";
import type { TrainingExample, TrainingSource } from "./training-example.js";
import { trainingSequences } from "./training-sequences.js";

const BOS = 1;
const EOS = 2;
/** One token per character, BOS in front. */
const characters: TrainingEncoder & { decode(ids: ArrayLike<number>): string } = {
  bosTokenId: BOS,
  eosTokenId: EOS,
  encode: (text, { addSpecialTokens }) => [
    ...(addSpecialTokens ? [BOS] : []),
    ...Array.from(text, (character) => character.charCodeAt(0)),
  ],
  decode: (ids) =>
    Array.from(ids, (id) => (id === BOS ? "<s>" : id === EOS ? "</s>" : String.fromCharCode(id))).join(""),
};

const read = (name: string, content: string, textKey?: string): TrainingSource =>
  readTrainingData(new MemoryByteSource(new TextEncoder().encode(content)), { name, textKey });
const all = async (source: TrainingSource): Promise<TrainingExample[]> => {
  const examples: TrainingExample[] = [];
  for await (const example of source) examples.push(example);
  return examples;
};
const source = (examples: readonly TrainingExample[]): TrainingSource => ({
  name: "rows.jsonl",
  files: () => Promise.resolve([]),

  async *[Symbol.asyncIterator]() {
    yield* examples;
  },
});
const instruction = (row: number, prompt: string, response: string): TrainingExample => ({
  id: `rows.jsonl: row ${row}`,
  prompt,
  response,
});
const tokenize = (
  examples: readonly TrainingExample[],
  options: Partial<TokenizeTrainingDataOptions> = {},
  encoder = characters as TrainingEncoder,
): Promise<TrainingData> =>
  tokenizeTrainingData(source(examples), encoder, { maxLength: 16, vocabSize: 256, ...options });

describe("readTrainingData", () => {
  it("puts rows of Alpaca, LaMini-instruction and Dolly into the template", async () => {
    const rows = [
      { instruction: "Do.", input: "", output: "Done." },
      { instruction: "Do.", input: "This", output: "Done.", text: "the prompt once more" },
      { instruction: "Do.", response: "Done.", instruction_source: "flan" },
      { instruction: "Do.", context: "This", response: "Done." },
      { instruction: "Do.", input: null, output: "Done." },
    ];
    const examples = await all(read("rows.jsonl", rows.map((row) => JSON.stringify(row)).join("\n") + "\n"));
    const withInput = alpacaPrompt("Do.", "This");
    const without = alpacaPrompt("Do.");
    expect(examples).toEqual(
      [without, withInput, without, withInput, without].map((prompt, i) => ({
        id: `rows.jsonl: row ${i + 1}`,
        prompt,
        response: "Done.",
      })),
    );
    expect(withInput).toBe(
      "Below is an instruction that describes a task, paired with an input that provides further context. " +
        "Write a response that appropriately completes the request.\n\n" +
        "### Instruction:\nDo.\n\n### Input:\nThis\n\n### Response:\n",
    );
  });

  it("reads a list, rows of text, and plain text", async () => {
    const list = await all(read("a.json", '[{"instruction":"i","output":"o"}]'));
    expect(list).toMatchObject([{ id: "a.json: row 1", response: "o" }]);
    const both = concatTrainingData("both", [
      read("b.jsonl", '{"text":"one"}\n{"text":"two"}\n'),
      read("c.txt", "three\n<|endoftext|>\nfour\n"),
      read("d.json", '["five"]'),
    ]);
    expect(await all(both)).toEqual([
      { id: "b.jsonl#1", text: "one" },
      { id: "b.jsonl#2", text: "two" },
      { id: "c.txt#1", text: "three" },
      { id: "c.txt#2", text: "four" },
      { id: "d.json#1", text: "five" },
    ]);
  });

  it("takes a field as plain text if told so", async () => {
    const rows = '{"instruction":"i","output":"o"}\n';
    expect(await all(read("a.jsonl", rows, "output"))).toEqual([{ id: "a.jsonl#1", text: "o" }]);
  });

  it.each([
    ["{not json", /^a\.jsonl: row 2: expected one JSON value per line, got text that is not \(/],
    ["[1]", /^a\.jsonl: row 2: expected an object with fields, got a list\./],
    [
      '{"instruction":"i"}',
      'a.jsonl: row 2: expected a field "output" or "response", got fields "instruction". Correct or remove the row.',
    ],
    [
      '{"output":"o"}',
      'a.jsonl: row 2: expected a field "instruction", got fields "output". Correct or remove the row.',
    ],
    [
      '{"instruction":"i","output":["o"]}',
      'a.jsonl: row 2: expected "output" to be a string, got a list. Correct or remove the row.',
    ],
    [
      '{"instruction":"i","input":7,"output":"o"}',
      'a.jsonl: row 2: expected "input" to be a string, got 7. Correct or remove the row.',
    ],
  ])("names the file and row of %s", async (row, message) => {
    await expect(all(read("a.jsonl", `{"instruction":"i","output":"o"}\n${row}\n`))).rejects.toThrow(message);
  });
});

describe("tokenizeTrainingData", () => {
  it("joins prompt and response, masks the prompt and ends with EOS", async () => {
    const data = await tokenize([instruction(1, "ab", "cd")]);
    const { ids, labels, segmentLengths } = trainingSequences(data).get(0);
    expect([...ids]).toEqual([BOS, 97, 98, 99, 100, EOS]);
    expect([...labels]).toEqual([-100, -100, -100, 99, 100, EOS]);
    expect(segmentLengths).toEqual([6]);
  });

  it.each([
    ["auto", [BOS, 97, 98, EOS]],
    ["always", [BOS, 97, 98, EOS]],
    ["never", [97, 98, EOS]],
  ] as const)("puts BOS in front as %s says", async (bos, expected) => {
    const data = await tokenize([instruction(1, "a", "b")], { bos });
    expect([...trainingSequences(data).get(0).ids]).toEqual(expected);
  });

  it("puts no BOS where the tokenizer puts none, and no second EOS where it adds one itself", async () => {
    const bare = {
      ...characters,
      encode: (text: string) => characters.encode(text, { addSpecialTokens: false }),
    };
    const ending = {
      ...characters,
      encode: (text: string, options: { addSpecialTokens: boolean }) => [
        ...Array.from(characters.encode(text, options)),
        ...(options.addSpecialTokens ? [EOS] : []),
      ],
    };
    const ids = async (encoder: TrainingEncoder) => [
      ...trainingSequences(await tokenize([instruction(1, "a", "b")], {}, encoder)).get(0).ids,
    ];
    expect(await ids(bare)).toEqual([97, 98, EOS]);
    expect(await ids(ending)).toEqual([BOS, 97, 98, EOS]);
  });

  it("cuts long rows without EOS, leaves out what has no room for a response or says nothing, and says so", async () => {
    const warnings: string[] = [];
    const progress = (event: ProgressEvent) => {
      if (event.type === "warning") warnings.push(event.message);
    };
    const data = await tokenize(
      [
        instruction(1, "aaaa", "bbbbbbbb"),
        instruction(2, "aaaaaaa", "b"),
        instruction(3, "a", " \n"),
        instruction(4, "aaaaaa", "b"),
        instruction(5, "", "b"),
        instruction(6, "a", "b"),
        instruction(7, "a", "bbbb"),
      ],
      { maxLength: 8, progress },
    );
    expect(data.stats).toEqual({
      read: 7,
      kept: 4,
      truncated: 2,
      tooLong: 1,
      empty: 2,
      tokens: 8 + 8 + 4 + 7,
    });
    expect(warnings).toEqual([
      "rows.jsonl: 2 rows without an instruction or a response left out, the first is rows.jsonl: row 3.",
      "rows.jsonl: 1 row with a prompt that fills max-length 8 left out, the first is rows.jsonl: row 2.",
      "rows.jsonl: 2 rows cut at max-length 8.",
    ]);
    const sequences = trainingSequences(data, { packing: false });
    expect(characters.decode(sequences.get(0).ids)).toBe("<s>aaaabbb");
    expect(characters.decode(sequences.get(1).ids)).toBe("<s>aaaaaab");
    expect(characters.decode(sequences.get(2).ids)).toBe("<s>ab</s>");
    expect(sequences.names(1)).toEqual(["rows.jsonl: row 4"]);
  });

  it("leaves out all long rows if asked to", async () => {
    const rows = [instruction(1, "a", "bbbbbbbb"), instruction(2, "a", "b")];
    const { stats } = await tokenize(rows, { maxLength: 8, longRows: "drop" });
    expect(stats).toMatchObject({ kept: 1, truncated: 0, tooLong: 1 });
  });

  it("reads no more examples than asked for", async () => {
    const rows = [1, 2, 3].map((row) => instruction(row, "a", "b"));
    expect((await tokenize(rows, { limit: 2 })).stats).toMatchObject({ read: 2, kept: 2 });
  });

  it.each<[string, Partial<TokenizeTrainingDataOptions>, Partial<TrainingEncoder>]>([
    [
      'tokenizer: expected an EOS token to end every example with, got a tokenizer without one. Name it as "eos_token" in tokenizer_config.json.',
      {},
      { eosTokenId: undefined },
    ],
    [
      'bos: expected a tokenizer with a BOS token for "always", got one without. Use "never".',
      { bos: "always" },
      { bosTokenId: undefined },
    ],
    [
      "rows.jsonl: row 1: expected token ids below the model's vocab_size (90), got 97. The tokenizer belongs to another model.",
      { vocabSize: 90 },
      {},
    ],
    ["maxLength: expected an integer of at least 2, got 1.", { maxLength: 1 }, {}],
    ["limit: expected an integer of at least 1, got 0.", { limit: 0 }, {}],
    ['longRows: expected truncate or drop, got "split".', { longRows: "split" as "drop" }, {}],
    [
      "rows.jsonl: expected at least one example to train on, got none of 1 read (0 empty, 1 longer than max-length 2). Give more data or raise max-length.",
      { maxLength: 2 },
      {},
    ],
  ])("refuses: %s", async (message, options, encoder) => {
    const refused = tokenize([instruction(1, "ab", "cd")], options, { ...characters, ...encoder });
    await expect(refused).rejects.toThrow(message);
  });

  it("stops when told to", async () => {
    const controller = new AbortController();
    controller.abort();
    const slow = { ...characters, encode: (text: string) => (busyWait(60), [...text].map(() => 97)) };
    const rows = [1, 2, 3].map((row) => instruction(row, "a", "b"));
    await expect(tokenize(rows, { signal: controller.signal }, slow)).rejects.toThrow(
      "Interrupted while tokenizing the training data.",
    );
  });
});

describe("trainingSequences", () => {
  const rows = Array.from({ length: 60 }, (_, i) => instruction(i + 1, "p".repeat(1 + (i % 5)), `r${i}`));

  it("has another order in every epoch and with every seed, and the same one again", async () => {
    const data = await tokenize(rows);
    const order = (seed: number, epoch: number) => {
      const sequences = trainingSequences(data, { seed, epoch });
      return Array.from({ length: sequences.length }, (_, i) => sequences.names(i)).flat();
    };
    const first = order(0, 0);
    expect([...first].sort()).toEqual(rows.map(({ id }) => id).sort());
    expect(order(0, 0)).toEqual(first);
    expect(order(0, 1)).not.toEqual(first);
    expect(order(1, 0)).not.toEqual(first);
  });

  it("refuses an epoch that is none, and a sequence that is not there", async () => {
    const data = await tokenize(rows.slice(0, 2));
    expect(() => trainingSequences(data, { seed: 0, epoch: -1 })).toThrow(
      "epoch: expected an integer from 0, got -1.",
    );
    expect(() => trainingSequences(data).get(7)).toThrow(
      "rows.jsonl: expected a sequence from 0 to 0, got 7.",
    );
  });

  it("keeps held-out rows out of training, the same ones for the same seed", async () => {
    const data = await tokenize(rows);
    const { train, heldOut } = splitHeldOut(data, { numHeldOut: 7, seed: 3 });
    expect([train.rows.length, heldOut.rows.length]).toEqual([53, 7]);
    expect([...train.rows, ...heldOut.rows].sort((a, b) => a - b)).toEqual([...data.rows]);
    expect(splitHeldOut(data, { numHeldOut: 7, seed: 3 }).heldOut.rows).toEqual(heldOut.rows);
    expect(splitHeldOut(data, { numHeldOut: 7, seed: 4 }).heldOut.rows).not.toEqual(heldOut.rows);
    const seen = trainingSequences(train, { seed: 0 });
    const names = Array.from({ length: seen.length }, (_, i) => seen.names(i)).flat();
    expect(
      names.filter((name) => Array.from(heldOut.rows, (row) => data.store.name(row)).includes(name)),
    ).toEqual([]);
    expect(() => splitHeldOut(data, { numHeldOut: 60, seed: 0 })).toThrow(
      "rows.jsonl: expected from 0 to 59 held-out rows of 60, got 60. Hold out fewer rows or give more data.",
    );
  });

  it("shows what is masked", async () => {
    const document = { id: "c.txt#1", text: "wxyz" };
    const data = await tokenize([instruction(1, "ab", "cd"), document], { maxLength: 10 });
    const examples = renderExamples(trainingSequences(data), characters);
    expect(examples).toEqual([
      {
        name: "rows.jsonl: row 1",
        numTokens: 6,
        numLossTokens: 3,
        parts: [
          { text: "<s>ab", isMasked: true },
          { text: "cd</s>", isMasked: false },
        ],
      },
      {
        name: "c.txt#1",
        numTokens: 4,
        numLossTokens: 3,
        parts: [
          { text: "<s>", isMasked: true },
          { text: "wxy", isMasked: false },
        ],
      },
      {
        name: "c.txt#1",
        numTokens: 2,
        numLossTokens: 1,
        parts: [
          { text: "z", isMasked: true },
          { text: "</s>", isMasked: false },
        ],
      },
    ]);
    expect(formatExamples(examples.slice(0, 2))).toBe(
      "example 1 of 2: rows.jsonl: row 1, 6 tokens, loss on 3\n⟦<s>ab⟧cd</s>\n\n" +
        "example 2 of 2: c.txt#1, 4 tokens, loss on 3\n⟦<s>⟧wxy\n",
    );
    expect(renderExamples(trainingSequences(data), characters, 1)).toHaveLength(1);
  });
});

describe("TokenStore", () => {
  it.each([
    [1000, "2 bytes"],
    [200_000, "4 bytes"],
  ])("gives back rows across its chunks with a vocabulary of %i (%s a token)", (vocabSize) => {
    const rng = new Rng(0, "store");
    const store = new TokenStore(vocabSize);
    const lengths = [1_000_000, 100_000, 1, 1_200_000];
    const rows = lengths.map((length) => Array.from({ length }, () => rng.integer(vocabSize)));
    for (const [i, ids] of rows.entries()) store.push(`file${i % 2}: row ${10 - i}`, ids, i, i % 2 === 0);
    for (const [i, ids] of rows.entries()) {
      const copy = new Int32Array(ids.length + 3);
      store.copy(i, 1, ids.length - 1, copy, 2);
      expect(bytesOf(copy.subarray(2, -2)).equals(bytesOf(Int32Array.from(ids.slice(1))))).toBe(true);
      expect([store.length(i), store.promptLength(i), store.isSplittable(i), store.name(i)]).toEqual([
        ids.length,
        i,
        i % 2 === 0,
        `file${i % 2}: row ${10 - i}`,
      ]);
    }
  });

  it("gives back names of any shape", () => {
    const store = new TokenStore(10);
    const names = ["", "a", "007", "a#0", "a#1", "row 1e3", "x\n12", "9".repeat(30)];
    for (const name of names) store.push(name, [1], 0, false);
    expect(names.map((_, row) => store.name(row))).toEqual(names);
  });
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

function busyWait(ms: number): void {
  const end = Date.now() + ms;
  while (Date.now() < end);
}

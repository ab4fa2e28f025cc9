import { createHash } from "node:crypto";
import type { ProgressEvent } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import type { Document } from "./document.js";
import type { SampleWindowsOptions } from "./draw-windows.js";
import { sampleWindows } from "./sample-windows.js";
import type { TokenEncoder } from "./token-encoder.js";

const BOS = 1;

/** One token per word, the word itself a number; BOS in front when special tokens are asked for. */
const encoder: TokenEncoder = {
  bosTokenId: BOS,
  encode: (text, { addSpecialTokens }) => [
    ...(addSpecialTokens ? [BOS] : []),
    ...text.split(" ").map(Number),
  ],
};

/** Documents `d#0`, `d#1` … of the given lengths; the tokens of document i are i*1000+100, +101, … */
function numbered(...lengths: number[]): Document[] {
  return lengths.map((length, i) => ({
    id: `d#${i}`,
    text: Array.from({ length }, (_, t) => i * 1000 + 100 + t).join(" "),
  }));
}

const options: SampleWindowsOptions = { nsamples: 3, seqlen: 8, seed: 0, vocabSize: 100_000 };

/** The tokens that a sample's spans say it is made of. */
function tokensOfSpans(
  documents: Document[],
  spans: readonly { document: string; offset: number; length: number }[],
) {
  return spans.flatMap(({ document, offset, length }) => {
    const { text } = documents.find(({ id }) => id === document) as { text: string };
    return Array.from(encoder.encode(text, { addSpecialTokens: true })).slice(offset, offset + length);
  });
}

describe("sampleWindows, long-documents", () => {
  const documents = numbered(20, 3, 30, 5, 25, 8, 40);

  it("takes one window from each of nsamples documents that are longer than seqlen", async () => {
    const { samples, provenance } = await sampleWindows(documents, encoder, options);
    expect(samples).toHaveLength(3);
    for (const sample of samples) {
      expect(Array.from(sample.ids)).toEqual(tokensOfSpans(documents, sample.spans));
      expect(sample.ids).toHaveLength(8);
      expect(sample.spans).toEqual([{ document: sample.document, offset: sample.offset, length: 8 }]);
    }
    const drawn = samples.map(({ document }) => document);
    expect(new Set(drawn).size).toBe(3);
    expect(["d#0", "d#2", "d#4", "d#5", "d#6"]).toEqual(expect.arrayContaining(drawn));
    expect(provenance).toMatchObject({
      sampler: "long-documents",
      bos: "document",
      seed: 0,
      nsamples: 3,
      seqlen: 8,
    });
  });

  it("is decided by the seed, 0 included, and a smaller set is the beginning of a larger one", async () => {
    const draw = async (seed: number, nsamples = 3) =>
      (await sampleWindows(documents, encoder, { ...options, seed, nsamples })).samples;
    expect(await draw(0)).toEqual(await draw(0));
    expect(await draw(0)).not.toEqual(await draw(1));
    expect(await draw(0, 2)).toEqual((await draw(0)).slice(0, 2));
  });

  it("starts a window anywhere from 0 to n - seqlen - 1, equally often", async () => {
    const counts = new Array<number>(4).fill(0); // 11 words and BOS are 12 tokens
    for (let seed = 0; seed < 2000; seed++) {
      const { samples } = await sampleWindows(numbered(11), encoder, { ...options, nsamples: 1, seed });
      counts[samples[0]!.offset]!++;
    }
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(100); // 5 standard deviations
  });

  it("puts BOS in front with bos always, and tokenises without special tokens with bos never", async () => {
    const always = await sampleWindows(documents, encoder, { ...options, bos: "always" });
    for (const { ids, spans } of always.samples) {
      expect(ids).toHaveLength(8);
      expect(Array.from(ids.subarray(0, 1))).toEqual([BOS]);
      if (spans[0]!.offset > 0) expect(spans[0]!.length).toBe(7);
    }
    const never = await sampleWindows(documents, encoder, { ...options, bos: "never" });
    for (const { ids } of never.samples) expect(ids.includes(BOS)).toBe(false);
  });

  it("refuses when too few documents are long enough and no other sampler may be used", async () => {
    await expect(
      sampleWindows(numbered(20, 3, 5), encoder, { ...options, sampler: "long-documents" }),
    ).rejects.toThrow(
      "the documents: 1 of 3 documents looked at are longer than 8 tokens, and 3 are needed. " +
        'Use the sampler "packed", lower nsamples or seqlen, or give more text.',
    );
  });

  it("tokenises no more documents than it needs", async () => {
    let numEncoded = 0;
    const counting: TokenEncoder = {
      ...encoder,
      encode: (text, how) => {
        numEncoded++;
        return encoder.encode(text, how);
      },
    };
    await sampleWindows(numbered(...new Array<number>(100).fill(20)), counting, options);
    expect(numEncoded).toBe(3);
  });
});

describe("sampleWindows, packed", () => {
  const documents = numbered(3, 4, 12, 2, 5, 3, 4);

  it("cuts the documents laid end to end into windows that all begin with BOS", async () => {
    const { samples, provenance } = await sampleWindows(documents, encoder, {
      ...options,
      sampler: "packed",
    });
    expect(samples).toHaveLength(3);
    for (const { ids, spans, document, offset } of samples) {
      expect(ids).toHaveLength(8);
      expect(ids[0]).toBe(BOS);
      const drawn = tokensOfSpans(documents, spans);
      expect(Array.from(ids)).toEqual(drawn[0] === BOS ? drawn : [BOS, ...drawn]);
      expect(spans[0]).toMatchObject({ document, offset });
    }
    expect(provenance).toMatchObject({ sampler: "packed", bos: "always" });
  });

  it("leaves no token out between windows and uses none twice", async () => {
    const { samples } = await sampleWindows(documents, encoder, {
      ...options,
      nsamples: 5,
      sampler: "packed",
    });
    const spans = samples.flatMap((sample) => sample.spans);
    const ends = new Map<string, number>();
    for (const { document, offset, length } of spans) {
      expect(offset).toBe(ends.get(document) ?? 0);
      ends.set(document, offset + length);
    }
  });

  it("is chosen, with a warning, when documents are too short and no sampler is asked for", async () => {
    const events: ProgressEvent[] = [];
    const { provenance } = await sampleWindows(documents, encoder, {
      ...options,
      progress: (e) => events.push(e),
    });
    expect(provenance.sampler).toBe("packed");
    expect(events.filter((event) => event.type === "warning")).toEqual([
      {
        type: "warning",
        message:
          "the documents: 1 of 7 documents looked at are longer than 8 tokens, and 3 are needed; " +
          'documents of any length are packed instead (sampler "packed").',
      },
    ]);
    expect(events.at(-1)?.type).toBe("end");
  });

  it("does not look through a whole corpus of short documents before it packs them", async () => {
    let numEncoded = 0;
    const counting: TokenEncoder = {
      ...encoder,
      encode: (text, how) => {
        numEncoded++;
        return encoder.encode(text, how);
      },
    };
    const short = numbered(...new Array<number>(5000).fill(3));
    const { provenance } = await sampleWindows(short, counting, { ...options, vocabSize: 10_000_000 });
    expect(provenance.sampler).toBe("packed");
    expect(numEncoded).toBeLessThan(300); // 32 * 3 * 8 tokens are 192 documents of 4, and 3 * 8 more are packed
  });

  it("says how many windows there would be when the text does not suffice", async () => {
    await expect(
      sampleWindows(numbered(5, 5, 5), encoder, { ...options, sampler: "packed" }),
    ).rejects.toThrow(
      "the documents: expected text for 3 windows of 8 tokens, got enough for 2 (18 tokens in 3 documents). " +
        "Lower nsamples to 2, lower seqlen, or give more text.",
    );
  });

  it("works with a tokenizer that has no BOS, and refuses bos always then", async () => {
    const plain: TokenEncoder = { encode: (text) => encoder.encode(text, { addSpecialTokens: false }) };
    const { samples, provenance } = await sampleWindows(documents, plain, { ...options, sampler: "packed" });
    expect(provenance.bos).toBe("document");
    expect(samples.every(({ ids }) => !ids.includes(BOS))).toBe(true);
    await expect(sampleWindows(documents, plain, { ...options, bos: "always" })).rejects.toThrow(
      'bos: expected a tokenizer with a BOS token for "always", got one without. Use "never".',
    );
  });
});

describe("sampleWindows of input_ids", () => {
  const rows: Document[] = [
    { id: "r#1", inputIds: [1, 2, 3] },
    { id: "r#2", inputIds: [4, 5] },
    { id: "r#3", inputIds: Array.from({ length: 50 }, (_, i) => i) },
  ];

  it("uses the rows as they are, in order, whatever seqlen says and without a tokenizer", async () => {
    const { samples, provenance } = await sampleWindows(rows, undefined, options);
    expect(samples.map(({ ids }) => Array.from(ids))).toEqual(
      rows.map((row) => "inputIds" in row && row.inputIds),
    );
    expect(samples[1]).toMatchObject({ document: "r#2", offset: 0 });
    expect(provenance).toEqual({
      sampler: "input-ids",
      seed: 0,
      nsamples: 3,
      files: [],
      samples: [3, 2, 50].map((length, i) => ({
        length,
        spans: [{ document: `r#${i + 1}`, offset: 0, length }],
      })),
      tokensSha256: createHash("sha256")
        .update(
          Buffer.from(Int32Array.from(rows.flatMap((row) => ("inputIds" in row ? row.inputIds : []))).buffer),
        )
        .digest("hex"),
    });
  });

  it("takes the first nsamples rows, and all with a warning if there are fewer", async () => {
    expect((await sampleWindows(rows, undefined, { ...options, nsamples: 2 })).samples).toHaveLength(2);
    const events: ProgressEvent[] = [];
    const all = await sampleWindows(rows, undefined, {
      ...options,
      nsamples: 9,
      progress: (e) => events.push(e),
    });
    expect(all.samples).toHaveLength(3);
    expect(events).toContainEqual({
      type: "warning",
      message: "the documents: all 3 rows of input_ids are used (nsamples is 9).",
    });
  });

  it("refuses ids beyond the vocabulary, naming the row", async () => {
    await expect(sampleWindows(rows, undefined, { ...options, vocabSize: 40 })).rejects.toThrow(
      'r#3: expected "input_ids" below the model\'s vocab_size (40), got 40 at position 40.',
    );
  });

  it("refuses rows of both kinds", async () => {
    const [first] = rows as [Document];
    const text = { id: "t#1", text: "2 3 4" };
    await expect(sampleWindows([first, text], encoder, options)).rejects.toThrow(
      't#1: expected "input_ids" as in the first row, got text.',
    );
    await expect(sampleWindows([text, first], encoder, options)).rejects.toThrow(
      'r#1: expected text as in the first row, got "input_ids".',
    );
  });
});

describe("sampleWindows, wrong use", () => {
  it.each([
    [{ nsamples: 0 }, "nsamples: expected an integer of at least 1, got 0."],
    [{ seqlen: 1 }, "seqlen: expected an integer of at least 2, got 1."],
    [{ vocabSize: 1.5 }, "vocabSize: expected an integer of at least 1, got 1.5."],
    [{ seed: -1 }, "seed: expected an integer from 0 to"],
    [{ sampler: "pack" as never }, 'sampler: expected long-documents or packed, got "pack".'],
    [{ bos: "first" as never }, 'bos: expected auto, always, never, got "first".'],
  ])("refuses %o", async (wrong, message) => {
    await expect(sampleWindows(numbered(20), encoder, { ...options, ...wrong })).rejects.toThrow(message);
  });

  it("refuses a tokenizer of another model, text without a tokenizer, and no documents", async () => {
    await expect(
      sampleWindows(numbered(20), encoder, { ...options, nsamples: 1, vocabSize: 110 }),
    ).rejects.toThrow(
      "d#0: expected token ids below the model's vocab_size (110), got 110. The tokenizer belongs to another model.",
    );
    await expect(sampleWindows(numbered(20), undefined, options)).rejects.toThrow(
      "expected a tokenizer for text, got none",
    );
    await expect(sampleWindows([], encoder, options)).rejects.toThrow(
      "expected at least one document, got none",
    );
  });

  it("refuses a generator, which can be read only once", async () => {
    function* generate() {
      yield* numbered(20);
    }
    await expect(sampleWindows(generate(), encoder, options)).rejects.toThrow(
      "got a generator. Pass an array.",
    );
  });

  it("stops when the signal is aborted", async () => {
    const signal = AbortSignal.abort();
    await expect(sampleWindows(numbered(20), encoder, { ...options, signal })).rejects.toThrow("Interrupted");
  });
});

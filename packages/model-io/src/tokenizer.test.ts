import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "./json-object.js";
import { addSentencePieceSplit } from "./sentencepiece-split.js";
import { loadTokenizer } from "./tokenizer.js";

interface Expected {
  vocab_size: number;
  cases: { text: string; ids: number[]; plain: number[]; decoded: string }[];
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../test/fixtures/${name}`, import.meta.url), "utf8")) as JsonObject;
const expected = (read("expected.json") as unknown as { tokenizers: Record<string, Expected> }).tokenizers;
const config = { bos_token: "<s>", eos_token: { content: "</s>" }, clean_up_tokenization_spaces: true };

describe.each(["sentencepiece", "byte-level"])("a %s tokenizer", (name) => {
  const tokenizer = loadTokenizer(read(`${name}-tokenizer.json`), config);

  it("encodes as Python's tokenizers does", () => {
    for (const { text, ids, plain } of expected[name]!.cases) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.encode(text, { addSpecialTokens: false }), JSON.stringify(text)).toEqual(plain);
    }
  });

  it("decodes to the text, without cleaning up spaces", () => {
    for (const { plain, decoded } of expected[name]!.cases) expect(tokenizer.decode(plain)).toBe(decoded);
  });

  it("knows its special tokens and its size", () => {
    expect(tokenizer.vocabSize).toBe(expected[name]!.vocab_size);
    expect(tokenizer.bosTokenId).toBe(tokenizer.encode("x")[0]);
    expect(tokenizer.idToToken(tokenizer.eosTokenId!)).toBe("</s>");
    expect(tokenizer.tokenToId("no such token")).toBeUndefined();
    expect(tokenizer.addsBosToken).toBe(true);
  });

  it("skips special tokens and unknown ids, and refuses what is no id", () => {
    const ids = [tokenizer.bosTokenId!, ...tokenizer.encode("fox", { addSpecialTokens: false }), 99999];
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("fox");
    expect(tokenizer.decode(Int32Array.from([]))).toBe("");
    expect(() => tokenizer.decode([1.5])).toThrow(
      "decode: expected ids that are non-negative integers, got 1.5.",
    );
  });
});

describe("addSentencePieceSplit", () => {
  const document = read("sentencepiece-tokenizer.json");
  const pieces = (extra: Record<string, number>) => {
    const model = document.model as JsonObject;
    return { ...document, model: { ...model, vocab: { ...(model.vocab as JsonObject), ...extra } } };
  };

  it("adds a step where no piece crosses a word's beginning, and leaves the document alone elsewhere", () => {
    expect(addSentencePieceSplit(document).pre_tokenizer).toMatchObject({ type: "Split" });
    const crossing = pieces({ "a▁b": 5000 });
    expect(addSentencePieceSplit(crossing)).toBe(crossing);
    const other = read("byte-level-tokenizer.json");
    expect(addSentencePieceSplit(other)).toBe(other);
  });

  it("keeps ids, and makes 200,000 characters a matter of less than 5 seconds", () => {
    const sentence = expected.sentencepiece!.cases.map(({ text }) => text).join(" ");
    const unsplit = loadTokenizer(pieces({ "a▁b": 412 }), config); // the extra piece turns the step off
    const split = loadTokenizer(document, config);
    const short = sentence.repeat(10);
    expect(split.encode(short)).toEqual(unsplit.encode(short));
    const start = performance.now();
    split.encode(sentence.repeat(Math.ceil(200_000 / sentence.length)));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("loadTokenizer refuses", () => {
  const good = read("sentencepiece-tokenizer.json");
  const model = good.model as JsonObject;
  it.each<[string, unknown, string]>([
    ["a list", [], "t.json: expected a JSON object, got a list."],
    ["an unknown key", { ...good, added_tokenk: [] }, 'got "added_tokenk".'],
    [
      "an added token with another id",
      { ...good, added_tokens: [{ ...(good.added_tokens as JsonObject[])[0], content: "x" }] },
      'added token "x": expected the id',
    ],
    [
      "a field of the wrong kind",
      { ...good, normalizer: { type: "Prepend", prepend: null } },
      't.json: "normalizer": Prepend.prepend: expected a string, got null.',
    ],
    [
      "a template with another id",
      {
        ...good,
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<s>", type_id: 0 } }],
          special_tokens: { "<s>": { id: "<s>", ids: [7], tokens: ["<s>"] } },
        },
      },
      'special token "<s>": expected the id 1 of the vocabulary',
    ],
    [
      "a splitting behaviour that the library lacks",
      { ...good, pre_tokenizer: { type: "Split", pattern: { String: "a" }, behavior: "MergedWithNext" } },
      'expected "Isolated" or "Removed", got "MergedWithNext"',
    ],
    ["a missing model", { ...good, model: undefined }, 't.json: expected an object "model", got nothing.'],
    [
      "an unknown model",
      { ...good, model: { ...model, type: "BPF" } },
      'expected a model of type BPE, Unigram or WordPiece, got "BPF"',
    ],
    [
      "a vocabulary that is a list",
      { ...good, model: { ...model, vocab: [] } },
      'expected an object "vocab", got a list',
    ],
    [
      "a huge id",
      { ...good, model: { ...model, vocab: { a: 4e9 } } },
      'token "a": expected an id from 0 to 16777215, got 4000000000',
    ],
    [
      "a merge of unknown pieces",
      { ...good, model: { ...model, merges: ["zz yy"] } },
      'expected a merge of two pieces of the vocabulary into a third, got "zz yy"',
    ],
    [
      "an added token without content",
      { ...good, added_tokens: [{ id: 1, content: "" }] },
      "expected added tokens with a content",
    ],
    [
      "an unknown step",
      { ...good, pre_tokenizer: { type: "Magic" } },
      't.json: "pre_tokenizer": expected a step of type Sequence, ByteLevel, Split',
    ],
    [
      "a step that is a string",
      { ...good, decoder: "x" },
      't.json: "decoder": expected a step of type Sequence, Replace, Strip',
    ],
    [
      "a pattern of neither kind",
      { ...good, normalizer: { type: "Replace", pattern: {}, content: "" } },
      "expected a pattern",
    ],
    [
      "a pattern that does not compile",
      { ...good, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
      "t.json: expected a tokenizer that can load",
    ],
  ])("%s", (_, document, message) => {
    expect(() => loadTokenizer(document, config, "t.json")).toThrow(message);
  });
});

import { loadTokenizer } from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";
import { byteSymbols, learnMerges } from "./byte-pair-encoding.js";
import { generateText } from "./corpus.js";
import { demoTokenizer } from "./demo-tokenizer.js";
import { SEED, VOCAB_SIZE } from "./settings.js";
import { BOS_ID, EOS_ID, trainTokenizer } from "./tokenizer.js";

describe("learnMerges", () => {
  it("joins the most frequent pair first, and of equal ones the pair that sorts first", () => {
    // "a b" 3 times, the others twice each; "Ġ ab" and the like sort after the pairs of letters.
    expect(learnMerges(["ab ab ab cd cd ef ef"], 3)).toEqual([
      ["a", "b"],
      ["c", "d"],
      ["e", "f"],
    ]);
  });

  it("stops when every word is one symbol", () => {
    expect(learnMerges(["aa"], 10)).toEqual([["a", "a"]]);
  });
});

describe("byteSymbols", () => {
  it("has a printable symbol of its own for each byte", () => {
    const symbols = byteSymbols();
    expect(new Set(symbols).size).toBe(256);
    expect([symbols[0x41], symbols[0x20], symbols[0x0a], symbols[0xad]]).toEqual(["A", "Ġ", "Ċ", "Ń"]);
  });
});

describe("trainTokenizer", () => {
  const files = demoTokenizer();
  const tokenizer = loadTokenizer(files.tokenizer, files.config);

  it("fills the vocabulary and knows its special tokens", () => {
    expect(tokenizer.vocabSize).toBe(VOCAB_SIZE);
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([BOS_ID, EOS_ID]);
    expect(tokenizer.addsBosToken).toBe(true);
    expect(tokenizer.encode("a<|endoftext|>\n").slice(0, 3)).toEqual([
      BOS_ID,
      tokenizer.tokenToId("a"),
      EOS_ID,
    ]);
  });

  it("gives back any text exactly, whether of the corpus or not", () => {
    for (const text of [
      generateText({ seed: SEED, split: "heldout" }, 5000),
      "Ünïcode, tabs\tand 123 emoji 🦫; it's \n\n  odd. ",
    ]) {
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it("cuts the corpus into tokens of more than three letters on average", () => {
    const text = generateText({ seed: SEED, split: "heldout" }, 20_000);
    const numTokens = tokenizer.encode(text, { addSpecialTokens: false }).length;
    expect(text.length / numTokens).toBeGreaterThan(3.3);
  });

  it("depends on the text alone", () => {
    const options = { vocabSize: 300, maxLength: 16 };
    const texts = ["the red kettle and the red boat", "a boat and a kettle"];
    expect(trainTokenizer(texts, options)).toEqual(trainTokenizer([...texts], options));
  });
});

import { describe, expect, it } from "vitest";
import { encodeRequests, type TextEncoding, type TokenRequest } from "./encode-requests.js";

const BOS = 0;

/** Every character is its code, but "ab" is one token, and nothing else than BOS is special. */
const encode = (text: string, { addSpecialTokens = true } = {}): number[] => [
  ...(addSpecialTokens ? [BOS] : []),
  ...[...text.matchAll(/ab|[^]/gu)].map(([token]) => (token === "ab" ? 1000 : token.codePointAt(0)!)),
];
const codes = (text: string): number[] => encode(text, { addSpecialTokens: false });

const encodeRequest = (
  request: { context: string; continuation: string },
  options: TextEncoding,
): TokenRequest => encodeRequests([request], options)[0]!;

const encoding = (options: Partial<TextEncoding> = {}): TextEncoding => ({
  tokenizer: { encode },
  addSpecialTokens: false,
  prefixTokenId: BOS,
  version: "pinned",
  ...options,
});

describe("encodeRequests", () => {
  it("splits the tokens of the whole text after those of the context", () => {
    expect(encodeRequest({ context: "x y", continuation: " z" }, encoding())).toEqual({
      context: codes("x y"),
      continuation: codes(" z"),
    });
  });

  it("moves white space from the end of the context to the continuation, as Python knows it", () => {
    const { context, continuation } = encodeRequest(
      { context: "Answer:\u0085 \n", continuation: "four" },
      encoding(),
    );
    expect([context, continuation]).toEqual([codes("Answer:"), codes("\u0085 \nfour")]);
    const kept = encodeRequest({ context: "Answer:\ufeff", continuation: "four" }, encoding());
    expect(kept).toEqual({ context: codes("Answer:\ufeff"), continuation: codes("four") });
  });

  it("splits by count where a token crosses the border", () => {
    // "xa" + "bc" is x, ab, c: the context alone has two tokens, x and a.
    expect(encodeRequest({ context: "xa", continuation: "bc" }, encoding())).toEqual({
      context: codes("xa"),
      continuation: codes("c"),
    });
  });

  it("begins both with BOS where that is added, which cancels", () => {
    expect(encodeRequest({ context: "x", continuation: " y" }, encoding({ addSpecialTokens: true }))).toEqual(
      {
        context: [BOS, ...codes("x")],
        continuation: codes(" y"),
      },
    );
  });

  // Of lm-eval: the fixture encode_pair_gpt2_ids has the same four cases.
  it.each([
    ["pinned", false, codes("He")],
    ["pinned", true, [BOS, ...codes("He")]],
    ["current", false, codes("He")],
    ["current", true, codes("He")],
  ] as const)("without context in lm-eval %s, special tokens %s", (version, addSpecialTokens, expected) => {
    expect(
      encodeRequest({ context: "", continuation: "He" }, encoding({ version, addSpecialTokens })),
    ).toEqual({ context: [BOS], continuation: expected });
  });

  it("takes a prefix that the continuation begins with for the context, in today's lm-eval only", () => {
    const request = { context: "", continuation: "He" };
    const [first] = codes("H") as [number];
    const at = (version: "pinned" | "current") =>
      encodeRequest(request, encoding({ version, prefixTokenId: first }));
    expect(at("current")).toEqual({ context: [first], continuation: codes("e") });
    expect(at("pinned")).toEqual({ context: [first], continuation: codes("He") });
  });

  it("encodes a context once for the choices that follow each other", () => {
    const asked: string[] = [];
    const tokenizer = { encode: (text: string) => (asked.push(text), codes(text)) };
    const requests = ["a", "b"].flatMap((context) =>
      [" 1", " 2"].map((continuation) => ({ context, continuation })),
    );
    expect(encodeRequests(requests, encoding({ tokenizer }))).toEqual(
      requests.map((request) => encodeRequest(request, encoding())),
    );
    expect(asked).toEqual(["a", "a 1", "a 2", "b", "b 1", "b 2"]);
  });

  it("refuses what has no token", () => {
    expect(() => encodeRequest({ context: "a", continuation: "b" }, encoding())).toThrow(
      'loglikelihood: expected a continuation of at least one token, got none for the continuation "b". Check the task\'s prompt and the tokenizer.',
    );
    expect(() => encodeRequest({ context: " ", continuation: "b" }, encoding())).toThrow(
      "expected a context of at least one token",
    );
  });
});

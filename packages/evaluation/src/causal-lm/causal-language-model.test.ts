import { loadTokenizer, type Tokenizer } from "@sdmprune/model-io";
import { forwardHidden, generate, headLogits, llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, BYTE_TOKENIZER, byteTokenizerFiles, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Loglikelihood } from "../language-model.js";
import { causalLanguageModel } from "./causal-language-model.js";

const { bosTokenId: BOS, firstByteId } = BYTE_TOKENIZER;
const bytes = (text: string): number[] => [...Buffer.from(text)].map((byte) => byte + firstByteId);

const requests = [
  { context: "Question: ?\nAnswer:", continuation: " no" },
  { context: "Question: ?\nAnswer:", continuation: " yes" },
  { context: "The sky is", continuation: " b" },
  { context: "Question: ?\nAnswer:", continuation: " no" },
  { context: "", continuation: "He" },
  { context: "The ", continuation: "sea" },
];

describe("causalLanguageModel", () => {
  let model: CausalLM;
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    await activateCpuBackend();
    const { config, source } = tinyLlama({ seed: 4 });
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config));
    const files = byteTokenizerFiles();
    tokenizer = loadTokenizer(
      JSON.parse(files["tokenizer.json"]),
      JSON.parse(files["tokenizer_config.json"]),
    );
  });
  afterAll(() => model.dispose());

  /** The tokens after `context`, one sequence at a time, from all logits. */
  async function plainScore(context: number[], continuation: number[]): Promise<Loglikelihood> {
    const ids = [...context, ...continuation];
    const hidden = await forwardHidden(model, Int32Array.from(ids.slice(0, -1)), 1);
    const logits = await headLogits(model.head, hidden);
    const rows = await logits.array();
    tf.dispose([hidden, logits]);
    let logprob = 0;
    let isGreedy = true;
    for (let t = context.length; t < ids.length; t++) {
      const row = rows[t - 1]!;
      const max = Math.max(...row);
      logprob += row[ids[t]!]! - max - Math.log(row.reduce((sum, z) => sum + Math.exp(z - max), 0));
      isGreedy &&= row.indexOf(max) === ids[t];
    }
    return { logprob, isGreedy, numTokens: continuation.length };
  }

  it("scores what plain passes over each sequence give", async () => {
    const results = await causalLanguageModel(model, tokenizer).loglikelihood(requests);
    const expected = [
      await plainScore(bytes("Question: ?\nAnswer:"), bytes(" no")),
      await plainScore(bytes("Question: ?\nAnswer:"), bytes(" yes")),
      await plainScore(bytes("The sky is"), bytes(" b")),
      await plainScore(bytes("Question: ?\nAnswer:"), bytes(" no")),
      await plainScore([BOS], bytes("He")),
      await plainScore(bytes("The"), bytes(" sea")),
    ];
    results.forEach(({ logprob, ...rest }, i) => {
      const { logprob: plain, ...plainRest } = expected[i]!;
      expect(logprob).toBeCloseTo(plain, 10);
      expect(rest).toEqual(plainRest);
    });
  });

  it("adds BOS to every text, and to one without context a second, as the pinned lm-eval does", async () => {
    const at = async (version: "pinned" | "current") =>
      (await causalLanguageModel(model, tokenizer, { addBos: true, version }).loglikelihood(requests)).map(
        ({ logprob }) => logprob,
      );
    const [pinned, current] = [await at("pinned"), await at("current")];
    expect(pinned[2]).toBeCloseTo((await plainScore([BOS, ...bytes("The sky is")], bytes(" b"))).logprob, 10);
    expect(pinned[4]).toBeCloseTo((await plainScore([BOS], [BOS, ...bytes("He")])).logprob, 10);
    expect(current[4]).toBeCloseTo((await plainScore([BOS], bytes("He"))).logprob, 10);
    expect(current.filter((_, i) => i !== 4)).toEqual(pinned.filter((_, i) => i !== 4));
    // today's default is what the tokenizer does
    expect(
      await causalLanguageModel(model, tokenizer, { version: "current" }).loglikelihood(requests),
    ).toEqual(
      await causalLanguageModel(model, tokenizer, { version: "current", addBos: true }).loglikelihood(
        requests,
      ),
    );
  });

  it("calls a continuation greedy if it is what greedy decoding writes", async () => {
    const { ids } = await generate(model, bytes("ab"), { maxTokens: 3, eosTokenIds: [] });
    const letters = new Map([..."xyz"].map((letter, i) => [letter, ids[i]!]));
    const encode = (text: string): number[] => [...text].flatMap((c) => letters.get(c) ?? bytes(c));
    const lm = causalLanguageModel(model, { ...tokenizer, encode });
    const results = await lm.loglikelihood(
      ["xyz", "xya", "ayz"].map((continuation) => ({ context: "ab", continuation })),
    );
    expect(results.map(({ isGreedy }) => isGreedy)).toEqual([true, false, false]);
    expect(results[0]).toEqual(await plainScore(bytes("ab"), ids));
  });

  it("gives the same bits whatever the batch size, and tells each result once", async () => {
    const run = async (batchSize: number | "auto") => {
      const told: [number, Loglikelihood][] = [];
      const results = await causalLanguageModel(model, tokenizer, { batchSize }).loglikelihood(requests, {
        onResult: (i, result) => told.push([i, result]),
      });
      expect(told.sort(([a], [b]) => a - b)).toEqual(results.map((result, i) => [i, result]));
      return results;
    };
    const one = await run(1);
    for (const batchSize of [4, 32, "auto"] as const) expect(await run(batchSize)).toEqual(one);
  });

  it("cuts the context's start where the sequence is too long", async () => {
    const context = "0123456789".repeat(2);
    const lm = causalLanguageModel(model, tokenizer, { maxLength: 8 });
    const [long, short] = await lm.loglikelihood([
      { context, continuation: "ab" },
      { context, continuation: "abcd" },
    ]);
    expect(long!.logprob).toBeCloseTo((await plainScore(bytes("3456789"), bytes("ab"))).logprob, 10);
    expect(short!.logprob).toBeCloseTo((await plainScore(bytes("56789"), bytes("abcd"))).logprob, 10);
    await expect(lm.loglikelihood([{ context, continuation: "123456789" }])).rejects.toThrow(
      "loglikelihood: expected a continuation of at most 8 tokens",
    );
  });

  it("scores a long text by windows, each token once, and none of an empty text", async () => {
    const told: number[] = [];
    const lm = causalLanguageModel(model, tokenizer, { maxLength: 4, batchSize: 2 });
    const results = await lm.loglikelihoodRolling(["abcdefghij", "", "xyz"], {
      onResult: (i) => told.push(i),
    });
    const windows = [
      await plainScore([BOS], bytes("abcd")),
      await plainScore(bytes("d"), bytes("efgh")),
      await plainScore(bytes("fgh"), bytes("ij")),
    ];
    expect(results[0]).toBeCloseTo(
      windows.reduce((sum, { logprob }) => sum + logprob, 0),
      10,
    );
    expect(results[1]).toBe(0);
    expect(results[2]).toBeCloseTo((await plainScore([BOS], bytes("xyz"))).logprob, 10);
    expect(told.sort()).toEqual([0, 1, 2]);
  });

  it("writes text up to a stop string, after as much context as leaves room", async () => {
    const decode = (ids: ArrayLike<number>): string => Array.from(ids, (id) => `<${id}>`).join("");
    const named = { ...tokenizer, decode };
    const lm = causalLanguageModel(model, named, { maxLength: 10 });
    const request = { context: "0123456789", until: [], maxTokens: 6 };
    const [free] = await lm.generateUntil([request]);
    const words = free!.match(/<\d+>/g)!;
    expect(words.length).toBeGreaterThan(2);
    expect(await lm.generateUntil([{ ...request, context: "6789" }])).toEqual([free]);
    const until = ["", words.at(-1)!, `${words[1]}${words[2]}`];
    const end = Math.min(free!.indexOf(until[1]!), free!.indexOf(until[2]!));
    expect(await lm.generateUntil([{ ...request, until }])).toEqual([free!.slice(0, end)]);
    await expect(lm.generateUntil([{ ...request, maxTokens: 10 }])).rejects.toThrow(
      "generateUntil: expected maxTokens below 10, the model's longest sequence, got 10.",
    );
  });

  it("leaves no tensor behind, whether it succeeds or is stopped", async () => {
    const lm = causalLanguageModel(model, tokenizer, { batchSize: 2 });
    await lm.loglikelihood(requests);
    const before = tf.memory().numTensors;
    await lm.loglikelihood(requests);
    await lm.loglikelihoodRolling(["abc"]);
    const controller = new AbortController();
    const stopped = lm.loglikelihood(requests, {
      onResult: () => controller.abort(),
      signal: controller.signal,
    });
    await expect(stopped).rejects.toThrow("Interrupted.");
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses options that do not fit", () => {
    expect(() => causalLanguageModel(model, tokenizer, { batchSize: 1.5 })).toThrow(
      'batchSize: expected a whole number from 1 or "auto", got 1.5.',
    );
    expect(() => causalLanguageModel(model, tokenizer, { maxLength: 129 })).toThrow(
      "maxLength: expected a whole number from 1 to 128 (max_position_embeddings), got 129.",
    );
    const { encode, decode } = tokenizer;
    const bare = { encode, decode, bosTokenId: undefined, eosTokenId: undefined };
    expect(() => causalLanguageModel(model, bare)).toThrow(
      "prefixTokenId: expected a BOS or EOS token in the tokenizer, got neither. Say which token stands before a text.",
    );
  });
});

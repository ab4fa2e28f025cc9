import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer } from "@sdmprune/model-io";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { checkTensors, llamaFamily } from "@sdmprune/models/families";
import { afterEach, describe, expect, it } from "vitest";
import { BYTE_TOKENIZER, byteTokenizerFiles } from "./byte-tokenizer.js";
import { tinyLlama } from "./tiny-llama.js";

describe("tinyLlama", () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  it("has a few thousand parameters, the same for the same seed", () => {
    const { source } = tinyLlama();
    const names = [...source.tensorNames()];
    const parameters = names.reduce(
      (sum, name) => sum + source.info(name).shape.reduce((a, b) => a * b, 1),
      0,
    );
    expect(parameters).toBe(8048);
    const [name] = names;
    expect(tinyLlama({ seed: 4 }).values(name!)).toEqual(tinyLlama({ seed: 4 }).values(name!));
    expect(tinyLlama({ seed: 4 }).values(name!)).not.toEqual(tinyLlama({ seed: 5 }).values(name!));
  });

  it("writes a checkpoint folder that holds what it says", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tiny-llama-"));
    folders.push(folder);
    const tiny = tinyLlama({ tied: false, biases: true });
    await tiny.write(folder);
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.config).toEqual(tiny.config);
    checkTensors(checkpoint, llamaFamily.expectedTensors(llamaFamily.parseConfig(checkpoint.config)));
    for (const name of tiny.source.tensorNames()) {
      expect(await checkpoint.readFloat32(name)).toEqual(tiny.values(name));
    }
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, name), "utf8"));
    const tokenizer = loadTokenizer(await read("tokenizer.json"), await read("tokenizer_config.json"));
    expect(tokenizer.vocabSize).toBe(BYTE_TOKENIZER.vocabSize);
  });
});

describe("byteTokenizerFiles", () => {
  it("makes one token of every byte behind a BOS token, and gives the text back", () => {
    const files = byteTokenizerFiles();
    const tokenizer = loadTokenizer(
      JSON.parse(files["tokenizer.json"]),
      JSON.parse(files["tokenizer_config.json"]),
    );
    const text = "Héllo, wörld: 漢字\n\t\u0000 <🙂>";
    const ids = tokenizer.encode(text);
    const bytes = Array.from(new TextEncoder().encode(text), (byte) => byte + BYTE_TOKENIZER.firstByteId);
    expect(ids).toEqual([BYTE_TOKENIZER.bosTokenId, ...bytes]);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
  });
});
